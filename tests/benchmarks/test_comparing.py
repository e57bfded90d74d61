"""Rows of the table of methods: turns, processes of their own, memory, and the same results."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import pytest

from benchmarks.alone import alone
from benchmarks.comparing import COLUMNS, Item, compared, within

pytestmark = pytest.mark.long

MB = 1024**2 // 8  # numbers of float64


def filling(megabytes: int) -> Item:
    """The published way fills memory, ours does not."""
    return Item(
        "filling",
        2.5,
        partial(np.ones, megabytes * MB),
        partial(np.ones, 1),
        lambda first, second: "both ones",
        turns=1,
        anew=partial(filling, megabytes),
    )


def counting(what: str, done: list[str]) -> Item:
    """Both ways say that they were taken."""
    ways = (partial(done.append, f"{what}'s"), partial(done.append, what))
    return Item(what, 1, *ways, lambda *both: "", turns=1)


def only_row(item: Item) -> dict[str, object]:
    (row,) = compared(item)
    return dict(zip(COLUMNS, row, strict=True))


class Where:
    def process(self) -> int:
        """Raises what the test looks for."""
        raise LookupError(os.getpid())


def test_a_row_tells_both_times_their_ratio_and_memory():
    row = only_row(filling(60))
    for where in ("", " anew"):
        times = float(str(row[f"times{where}"]))
        theirs, ours = (float(str(row[f"{way}{where}, s"])) for way in ("published", "ours"))
        assert times == pytest.approx(theirs / ours)
    assert (row["what"], row["at least"], row["agrees"]) == ("filling", 2.5, "both ones")
    assert float(str(row["published, MB"])) == pytest.approx(60, abs=5)
    assert float(str(row["ours, MB"])) < 5


def test_no_memory_is_told_of_an_item_that_is_not_made_anew():
    row = only_row(counting("plain", []))
    assert (row["published, MB"], row["ours, MB"], row["times anew"]) == ("", "", "")


def test_items_compared_together_take_the_published_way_once_a_turn():
    done: list[str] = []
    first, second = counting("first", done), counting("second", done)
    rows = compared(first, second)
    assert [row[0] for row in rows] == ["first", "second"]
    assert rows[0][1] == rows[1][1]
    assert done == ["first's", "first", "second"] * 2


def test_work_alone_is_done_in_another_process_and_its_error_comes_back():
    with pytest.raises(LookupError) as error:
        alone(Where, "process")
    assert error.value.args[0] != os.getpid()


def test_results_that_differ_are_no_row():
    assert within(3e-6, "{:.1g} apart") == "3e-06 apart"
    for apart in (2e-4, float("nan")):
        with pytest.raises(ValueError, match="come to the same"):
            within(apart, "{:.1g} apart")
