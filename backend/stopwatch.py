"""Where the time of a task or an answer goes: seconds by stage."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter

from backend import clock


class Stopwatch:
    """Adds up the seconds of named stages, from any thread; `total` is from its making on.

    counted: a metric with the label `stage`, which gets the seconds as they come.
    """

    def __init__(self, counted: Counter | None = None) -> None:
        self._counted = counted
        self._begun = clock.monotonic()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is inside; stages of several threads add up."""
        begun = clock.monotonic()
        try:
            yield
        finally:
            self.add(name, clock.monotonic() - begun)

    def add(self, name: str, seconds: float) -> None:
        """Add seconds to a stage."""
        with self._lock:
            self._seconds[name] += seconds
        if self._counted is not None:
            self._counted.labels(name).inc(max(seconds, 0.0))

    def seconds(self) -> dict[str, float]:
        """Seconds by stage so far, to the microsecond, and `total`."""
        total = clock.monotonic() - self._begun
        return {name: round(value, 6) for name, value in (*self._seconds.items(), ("total", total))}
