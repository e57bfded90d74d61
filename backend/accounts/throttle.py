"""Failed logins slow the next ones down, by name and by address.

They are counted in SQL: several API replicas share the count, and a restart does not forget it. An
attempt is counted before its password is looked at, so that a thousand at once are a thousand.
"""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from backend import clock
from backend.accounts.tables import LoginFailures
from backend.errors import TooMany

FREE = {"name": 5, "address": 20}
"""Failures that cost no wait. Many people may share an address: an office, a proxy."""
LONGEST_WAIT = 300.0
FORGOTTEN_AFTER = timedelta(minutes=15)


def count_attempt(session: Session, name: str, address: str) -> None:
    """Let one attempt through and count it as failed until `succeeded` says otherwise.

    Raises:
        TooMany: while the name or address has to wait.
    """
    moment = clock.now()
    rows = [(kind, _row(session, subject, moment)) for kind, subject in _subjects(name, address)]
    left = max(_seconds_left(row, FREE[kind], moment) for kind, row in rows)
    if left > 0:
        seconds = math.ceil(left)
        raise TooMany(
            f"There were too many failed logins: wait {seconds} seconds and try again.", seconds
        )
    for _, row in rows:
        row.failures += 1
        row.last_at = moment


def succeeded(session: Session, name: str, address: str) -> None:
    """It was no failure: forget the name's, and this one of the address, but none before it. Else
    whoever has one password could try those of others for ever."""
    by_name, by_address = (subject for _, subject in _subjects(name, address))
    session.execute(delete(LoginFailures).where(LoginFailures.subject == by_name))
    row = session.get(LoginFailures, by_address, with_for_update=True)
    if row is not None:
        row.failures = max(0, row.failures - 1)
    old = clock.now() - FORGOTTEN_AFTER
    session.execute(
        delete(LoginFailures).where(
            LoginFailures.last_at < old, LoginFailures.subject != by_address
        )
    )


def _subjects(name: str, address: str) -> list[tuple[str, str]]:
    """Always in the same order, so that two attempts cannot wait for each other's rows."""
    return [("name", _digest("name", name.lower())), ("address", _digest("address", address))]


def _digest(kind: str, value: str) -> str:
    return hashlib.sha256(f"{kind}:{value}".encode(errors="replace")).hexdigest()


def _row(session: Session, subject: str, moment: datetime) -> LoginFailures:
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    values = {"subject": subject, "failures": 0, "last_at": moment}
    session.execute(insert(LoginFailures).values(values).on_conflict_do_nothing())
    chosen = select(LoginFailures).where(LoginFailures.subject == subject).with_for_update()
    row = session.scalars(chosen).one()
    if row.last_at < moment - FORGOTTEN_AFTER:
        row.failures = 0
    return row


def _seconds_left(row: LoginFailures, free: int, moment: datetime) -> float:
    """Twice as long after each failure: 1 s, 2 s, ... five minutes."""
    if row.failures < free:
        return 0.0
    wait = min(2.0 ** min(row.failures - free, 16), LONGEST_WAIT)
    return wait - (moment - row.last_at).total_seconds()
