"""The audit log: one line for each change, written with it, and read newest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import structlog
from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import Session

from backend import clock
from backend.audit.changes import bounded, changed, cut
from backend.audit.schemas import AuditFilter, AuditLineOut
from backend.audit.tables import AuditLine
from backend.database import Database
from backend.errors import InvalidInput
from backend.paging import Page, decode_cursor, encode_cursor, is_number

READ_AT_ONCE = 500
REQUEST = "request"
"""Under which name the log of the process knows the request's id."""


class Subject(NamedTuple):
    """What was changed: its kind, its id, and what people know it by."""

    kind: str
    id: str
    label: str


def note(
    session: Session,
    actor: str,
    action: str,
    subject: Subject,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write down a change in its own transaction: both are kept, or neither.

    Of two states only what differs is kept, cut to a bounded size; two that are alike are no
    change and leave no line. What came new has no `before`, what is gone no `after`.

    action: what was done to what, in lower case: `product.update`.
    """
    old, new = changed(before or {}, after or {})
    if before is not None and after is not None and not old and not new:
        return
    request = structlog.contextvars.get_contextvars().get(REQUEST)
    session.add(
        AuditLine(
            at=clock.now(),
            actor=cut(actor, 100),
            action=cut(action, 40),
            subject_kind=cut(subject.kind, 40),
            subject_id=cut(subject.id, 100),
            label=cut(subject.label, 200),
            before=bounded(old),
            after=bounded(new),
            request_id=None if request is None else cut(str(request), 100),
        )
    )


def list_lines(
    session: Session, wanted: AuditFilter, *, cursor: str | None = None, limit: int = 50
) -> Page[AuditLineOut]:
    """One page of the changes, newest first.

    Raises:
        InvalidInput: a cursor this list did not give out.
    """
    chosen = _chosen(wanted)
    total = session.scalar(select(func.count()).select_from(AuditLine).where(*chosen)) or 0
    last = None if cursor is None else _line(session, cursor)
    found = _older(session, chosen, last, limit + 1)
    further = encode_cursor([found[limit - 1].id]) if len(found) > limit else None
    return Page(items=found[:limit], next_cursor=further, total=total)


def all_lines(database: Database, wanted: AuditFilter) -> Iterator[AuditLineOut]:
    """All of these changes, newest first. Each page has a transaction of its own, so that a slow
    reader holds nothing."""
    chosen, last = _chosen(wanted), None
    while True:
        with database.read() as session:
            found = _older(session, chosen, last, READ_AT_ONCE)
        yield from found
        if len(found) < READ_AT_ONCE:
            return
        last = found[-1]


def _older(
    session: Session,
    chosen: list[ColumnElement[bool]],
    last: AuditLine | AuditLineOut | None,
    limit: int,
) -> list[AuditLineOut]:
    query = select(AuditLine).where(*chosen)
    if last is not None:
        query = query.where(tuple_(AuditLine.at, AuditLine.id) < tuple_(last.at, last.id))
    newest = query.order_by(AuditLine.at.desc(), AuditLine.id.desc()).limit(limit)
    return [AuditLineOut.model_validate(line) for line in session.scalars(newest)]


def _chosen(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = []
    for name in ("actor", "subject_kind", "subject_id"):
        value = getattr(wanted, name)
        if value is not None:
            chosen.append(getattr(AuditLine, name) == value)
    if wanted.action:
        last = wanted.action[:-1] + chr(ord(wanted.action[-1]) + 1)
        chosen += [AuditLine.action >= wanted.action, AuditLine.action < last]
    if wanted.since is not None:
        chosen.append(AuditLine.at >= wanted.since)
    if wanted.until is not None:
        chosen.append(AuditLine.at < wanted.until)
    return chosen


def _line(session: Session, cursor: str) -> AuditLine:
    number = decode_cursor(cursor, 1)[0]
    line = session.get(AuditLine, int(number)) if is_number(number) else None
    if line is None:
        raise InvalidInput(
            "The cursor is not one this list gave out: leave it away to start from the first page."
        )
    return line
