"""What is counted, and how it is told."""

from __future__ import annotations

import pytest

from workers.reconciliation.ledger import KINDS, SHOWN_LOST, Ledger, Lost


@pytest.mark.parametrize(
    ("mending", "names", "told"),
    [
        (True, ["b"], "1 point whose image is gone (b): deleted."),
        (False, ["b", "a"], "2 points whose image is gone (a, b)."),
        (True, [f"p{n}" for n in range(1007)],
         "1,007 points whose image is gone (p0, p1, p10, p100, p1000 and 1,002 more): deleted."),
    ],
)  # fmt: skip
def test_a_kind_is_one_sentence(mending: bool, names: list[str], told: str) -> None:
    ledger = Ledger(mending=mending)
    ledger.found("points_without_row", names)
    (line,) = ledger.lines()
    assert line.sentence == told
    assert line.outcome == ("mended" if mending else "found")
    assert ledger.result() == {"points_without_row": len(names), "lost": 0}


def test_names_of_many_batches_stay_few() -> None:
    ledger = Ledger(mending=False)
    for batch in range(10):
        ledger.found("unused_blobs", [f"{batch}{n}" for n in range(3)])
    (line,) = ledger.lines()
    assert line.sentence.startswith("30 stored pictures that no product shows (00, 01, 02, 10, 11 ")


def test_the_lost_are_told_one_by_one_up_to_a_thousand() -> None:
    ledger = Ledger(mending=True)
    for batch in range(3):
        ledger.told_lost([Lost(f"S{batch}-{n}", "It is gone.") for n in range(SHOWN_LOST // 2)])
    lines = ledger.lines()
    assert len(lines) == SHOWN_LOST + 1
    assert lines[-1].sentence == (
        "500 more images have lost their stored bytes: import their pictures again."
    )
    assert ledger.result()["lost"] == SHOWN_LOST + SHOWN_LOST // 2
    assert not ledger.in_line


def test_every_kind_reads_as_a_sentence() -> None:
    for kind in KINDS:
        ledger = Ledger(mending=True)
        ledger.found(kind, ["x"])
        (line,) = ledger.lines()
        assert line.sentence.startswith("1 ")
        assert line.sentence.endswith(".")


def test_nothing_found_is_in_line() -> None:
    ledger = Ledger(mending=True)
    ledger.found("unused_blobs", [])
    assert ledger.in_line
    assert ledger.lines() == []
