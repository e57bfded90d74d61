"""How fast a job is just now, told by its worker."""

from __future__ import annotations

import pytest

from backend import clock
from workers.pace import Pace


class Monotonic:
    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return self.seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Monotonic:
    found = Monotonic()
    monkeypatch.setattr(clock, "monotonic", found.now)
    return found


def test_one_count_says_nothing(time: Monotonic) -> None:
    assert Pace().after(500) is None


def test_the_rate_is_of_what_was_done_since(time: Monotonic) -> None:
    pace = Pace()
    pace.after(500)  # done by an earlier run
    time.seconds += 2
    assert pace.after(520) == 10.0


def test_only_the_last_half_minute_counts(time: Monotonic) -> None:
    pace = Pace()
    for done in range(0, 1000, 100):  # fast for ten seconds
        pace.after(done)
        time.seconds += 1
    for done in range(1000, 1060):  # then slow for a minute
        rate = pace.after(done)
        time.seconds += 1
    assert rate == 1.0


def test_a_batch_longer_than_the_window_still_has_a_rate(time: Monotonic) -> None:
    pace = Pace()
    pace.after(0)
    time.seconds += 100
    assert pace.after(50) == 0.5
    time.seconds += 200
    assert pace.after(150) == 0.5


def test_it_is_never_negative(time: Monotonic) -> None:
    pace = Pace()
    pace.after(10)
    time.seconds += 1
    assert pace.after(5) == 0.0
