"""Windows: kept ten minutes, and not too many."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from backend import clock
from backend.composition.composer import COMPOSERS, QueryFeatures
from backend.composition.query import compose_queries
from backend.errors import NotFound
from backend.gallery.filters import Filter
from backend.search.windows import Asked, Window, Windows


class Watch:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    found = Watch()
    monkeypatch.setattr(clock, "monotonic", found)
    return found


def window(text_cut: bool = False) -> Window:
    features = QueryFeatures(None, np.ones(4, np.float32))
    return Window(
        groups=(),
        features=features,
        compose=lambda queries: compose_queries(COMPOSERS["sum"], queries),
        composer="sum",
        filter=Filter(),
        reference=None,
        text_cut=text_cut,
        asked=Asked("", (), 0.0, "v1", "g1"),
    )


def test_a_window_is_found_by_its_id():
    windows = Windows()
    first, second = window(), window()
    ids = [windows.keep(first), windows.keep(second)]
    assert windows.get(ids[0]) is first
    assert windows.get(ids[1]) is second


def test_an_id_that_was_never_given_out_is_told(watch):
    with pytest.raises(NotFound, match=r"no longer kept .* search again\.$"):
        Windows().get("nothing")


def test_a_window_goes_ten_minutes_after_it_was_last_used(watch):
    windows = Windows()
    used, unused = windows.keep(window()), windows.keep(window())
    watch.seconds = 400
    windows.get(used)
    watch.seconds = 601
    windows.get(used)
    assert len(windows) == 1
    with pytest.raises(NotFound):
        windows.get(unused)


def test_expired_windows_make_room_when_another_is_kept(watch):
    windows = Windows()
    windows.keep(window())
    watch.seconds = 601
    windows.keep(window())
    assert len(windows) == 1


def test_beyond_the_capacity_the_one_not_used_longest_goes():
    windows = Windows(capacity=2)
    first, second = windows.keep(window()), windows.keep(window())
    windows.get(first)
    windows.keep(window())
    assert windows.get(first)
    with pytest.raises(NotFound):
        windows.get(second)


def test_many_threads_keep_and_find_their_own():
    windows = Windows()

    def mine(number: int) -> bool:
        kept = window(text_cut=number % 2 == 0)
        return windows.get(windows.keep(kept)) is kept

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(mine, range(400)))
    assert len(windows) == 400
