"""The life of a job as one table: which event leads from which state to which."""

from __future__ import annotations

from typing import Literal

from backend.errors import Conflict
from backend.jobs.schemas import JobState

Event = Literal["start", "claim", "finish", "fail", "release", "expire", "cancel", "retry"]

HELD: frozenset[str] = frozenset({"running", "cancelling"})
"""A worker holds the lease; in every other state no token is valid."""

LIVE: frozenset[str] = frozenset({"queued", "running"})
"""Will look at the whole catalogue once more before it finishes."""

NEXT: dict[tuple[JobState, Event], JobState] = {
    ("collecting", "start"): "queued",
    ("collecting", "cancel"): "cancelled",
    ("queued", "claim"): "running",
    ("queued", "cancel"): "cancelled",
    ("running", "finish"): "done",
    ("running", "fail"): "failed",
    ("running", "release"): "queued",
    ("running", "expire"): "queued",
    ("running", "cancel"): "cancelling",
    ("cancelling", "finish"): "done",
    ("cancelling", "fail"): "failed",
    ("cancelling", "release"): "cancelled",
    ("cancelling", "expire"): "cancelled",
    ("cancelling", "cancel"): "cancelling",
    ("failed", "retry"): "queued",
    ("cancelled", "retry"): "queued",
}

_REFUSED: dict[Event, str] = {
    "start": "only an import that is still collecting files can be started",
    "cancel": "there is nothing left to cancel",
    "retry": "only a failed or cancelled job can be retried",
}


def after(state: JobState, event: Event) -> JobState:
    """The state that `event` leads to.

    Raises:
        Conflict: if it cannot happen in `state`.
    """
    if (state, event) not in NEXT:
        raise Conflict(f"The job is {state}: {_REFUSED.get(event, f'it cannot {event} now')}.")
    return NEXT[state, event]
