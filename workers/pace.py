"""How fast a job goes just now: items a second over the last half minute of this run."""

from __future__ import annotations

from collections import deque

from backend import clock

WINDOW_SECONDS = 30.0


class Pace:
    """Counts as they were told; what happened before it was made (a stop, another stage) is not in
    it, so a job that is taken up again is not called slow for the time it lay still."""

    def __init__(self) -> None:
        self._told: deque[tuple[float, int]] = deque()

    def after(self, done: int) -> float | None:
        """Items a second now that `done` are finished; None before there are two counts."""
        now = clock.monotonic()
        self._told.append((now, done))
        while len(self._told) > 2 and self._told[1][0] <= now - WINDOW_SECONDS:
            self._told.popleft()
        begun, before = self._told[0]
        seconds = now - begun
        return round(max(done - before, 0) / seconds, 3) if seconds > 0 else None
