"""How many jobs there are, and how long they have been waiting: for the metrics."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.jobs.broker import QUEUE_OF_KIND
from backend.jobs.tables import Job


def counts_by_state(session: Session) -> dict[tuple[str, str], int]:
    """How many jobs there are, by kind and state."""
    grouped = select(Job.kind, Job.state, func.count()).group_by(Job.kind, Job.state)
    return {(kind, state): count for kind, state, count in session.execute(grouped)}


def queued_by_queue(session: Session) -> dict[str, tuple[int, datetime | None]]:
    """Of each queue: how many jobs wait in it, and since when the oldest does."""
    found: dict[str, tuple[int, datetime | None]] = dict.fromkeys(QUEUE_OF_KIND.values(), (0, None))
    waiting = select(Job.kind, func.count(), func.min(Job.queued_at)).where(Job.state == "queued")
    for kind, count, since in session.execute(waiting.group_by(Job.kind)):
        queue = QUEUE_OF_KIND[kind]
        before, oldest = found[queue]
        found[queue] = before + count, min(filter(None, (oldest, since)), default=None)
    return found
