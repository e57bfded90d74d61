"""The one place that reads the time, so that tests can move it."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The current moment, in UTC and aware of it."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds on a clock that never jumps, for durations and windows."""
    return time.monotonic()
