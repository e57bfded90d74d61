"""What the audit log is told of jobs: who asked for them, and what those did that change data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from backend.audit.service import Subject, note
from backend.jobs.schemas import FINISHED
from backend.jobs.tables import Job

_WORDS = {"ingest": "import", "reconcile": "reconcile"}
"""Kinds that change what is stored, and the word for them in an action."""


def note_asked(session: Session, job: Job, actor: str, **what: Any) -> None:
    """Somebody had an import or a reconciliation begin; what was left open is not told."""
    asked = {name: value for name, value in job.parameters.items() if value not in (None, {}, [])}
    note(session, actor, f"{_WORDS[job.kind]}.start", _subject(job), after=asked | what)


def note_steered(session: Session, job: Job, action: str, before: str, actor: str) -> None:
    """Somebody cancelled or retried a job, which was in the state `before`."""
    states: dict[str, Any] = {"before": {"state": before}, "after": {"state": job.state}}
    note(session, actor, f"job.{action}", _subject(job), **states)


def note_ended(session: Session, job: Job) -> None:
    """An import or a reconciliation is over: what it did, by counts; nothing of any other job, or
    of one that goes on."""
    if job.kind not in _WORDS or job.state not in FINISHED:
        return
    counts = {name: count for name, count in job.result.items() if isinstance(count, int)}
    did = {name: count for name, count in counts.items() if count}
    done = did or {"done": job.done, "failed": job.failed}
    error = {} if job.error is None else {"error": job.error}
    after = {"state": job.state, **done, **error}
    note(session, job.actor, f"{_WORDS[job.kind]}.end", _subject(job), after=after)


def note_mended(session: Session, counts: Mapping[str, int], actor: str) -> None:
    """A reconciliation that was no job (`akin doctor --repair`) has mended something."""
    found = {name: count for name, count in counts.items() if count}
    note(session, actor, "reconcile.end", Subject("command", "doctor", "akin doctor"), after=found)


def _subject(job: Job) -> Subject:
    return Subject("job", job.id, job.kind)
