"""What the audit log is told of backups: whoever takes one takes everything."""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.audit.service import Subject, note


def note_taken(session: Session, actor: str, expected_bytes: int) -> None:
    """Somebody begins to take a backup; whether it comes to its end nobody here learns."""
    subject = Subject("installation", "", "the whole installation")
    note(session, actor, "backup.take", subject, after={"bytes, about": expected_bytes})
