"""Failed logins slow the next ones down: strictly those of one name from one address, so that a
stranger elsewhere cannot lock somebody out; more patiently those from one address, whatever the
name, and those of one name, wherever they come from.

They are counted in SQL: several API replicas share the count, and a restart does not forget it. An
attempt is counted before its password is looked at, so that a thousand at once are a thousand.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from backend import clock
from backend.accounts.tables import LoginFailures
from backend.addresses import network_of
from backend.errors import TooMany

FREE = {"name": 200, "address": 20, "both": 5}
"""Failures that cost no wait. Many people may share an address: an office, a proxy. And whoever has
many addresses may guess 200 times in a quarter of an hour before the name has to wait for it."""
LONGEST_WAIT = 300.0
FORGOTTEN_AFTER = timedelta(minutes=15)
_HALF = 32  # of a hash: 128 bits


def count_attempt(session: Session, name: str, address: str) -> None:
    """Let one attempt through and count it as failed until `succeeded` says otherwise.

    Raises:
        TooMany: while the name or address has to wait.
    """
    moment = clock.now()
    subjects = _subjects(name, address)
    rows = {kind: _row(session, subject, moment) for kind, subject in subjects.items()}
    _refuse_who_waits(rows, moment)
    for row in rows.values():
        row.failures += 1
        row.last_at = moment


def check(session: Session, name: str, address: str) -> None:
    """The same refusal, without counting anything: it only reads."""
    kinds = {subject: kind for kind, subject in _subjects(name, address).items()}
    moment = clock.now()
    query = select(LoginFailures).where(
        LoginFailures.subject.in_(kinds), LoginFailures.last_at >= moment - FORGOTTEN_AFTER
    )
    _refuse_who_waits({kinds[row.subject]: row for row in session.scalars(query)}, moment)


def succeeded(session: Session, name: str, address: str) -> None:
    """It was no failure: forget the name's, there and anywhere, and this one of the address, but
    none before it. Else whoever has one password could try those of others for ever."""
    subjects = _subjects(name, address)
    held = {
        kind: session.get(LoginFailures, subject, with_for_update=True)
        for kind, subject in subjects.items()
    }
    by_address = held.pop("address")
    if by_address is not None:
        by_address.failures = max(0, by_address.failures - 1)
    for row in filter(None, held.values()):
        session.delete(row)
    session.flush()
    _forget_old(session, subjects["address"])


def forget(session: Session, name: str) -> None:
    """The name's failures, from all addresses: its password is another now."""
    by_name = _digest("name", name.lower())
    session.get(LoginFailures, by_name, with_for_update=True)  # the first that an attempt holds
    beginning = LoginFailures.subject.startswith(by_name[:_HALF])
    session.execute(delete(LoginFailures).where(beginning))


def _forget_old(session: Session, but: str) -> None:
    """Rows that count no longer, except one. Those that somebody holds are counted in just now; not
    waiting for them, this cannot deadlock."""
    old = LoginFailures.last_at < clock.now() - FORGOTTEN_AFTER
    free = select(LoginFailures.subject).where(old, LoginFailures.subject != but)
    ids = free.with_for_update(skip_locked=True)
    session.execute(
        delete(LoginFailures).where(LoginFailures.subject.in_(ids)),
        execution_options={"synchronize_session": False},
    )


def _refuse_who_waits(rows: Mapping[str, LoginFailures], moment: datetime) -> None:
    left = max((_seconds_left(row, FREE[kind], moment) for kind, row in rows.items()), default=0.0)
    if left > 0:
        seconds = math.ceil(left)
        raise TooMany(
            f"There were too many failed logins: wait {seconds} seconds and try again.", seconds
        )


def _subjects(name: str, address: str) -> dict[str, str]:
    """Always in the same order, so that two attempts cannot wait for each other's rows. What both
    give together begins like the name, so that all of a name's can be found."""
    by_name = _digest("name", name.lower())
    by_address = _digest("address", network_of(address))
    both = by_name[:_HALF] + by_address[:_HALF]
    return {"name": by_name, "address": by_address, "both": both}


def _digest(kind: str, value: str) -> str:
    return hashlib.sha256(f"{kind}:{value}".encode(errors="replace")).hexdigest()


def _row(session: Session, subject: str, moment: datetime) -> LoginFailures:
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    new = insert(LoginFailures).values(subject=subject, failures=0, last_at=moment)
    # An update of nothing holds a row that is there: between doing nothing and reading it a success
    # could take it away.
    same = {"failures": LoginFailures.failures}
    session.execute(new.on_conflict_do_update(index_elements=["subject"], set_=same))
    row = session.get_one(LoginFailures, subject)
    if row.last_at < moment - FORGOTTEN_AFTER:
        row.failures = 0
    return row


def _seconds_left(row: LoginFailures, free: int, moment: datetime) -> float:
    """Twice as long after each failure: 1 s, 2 s, ... five minutes."""
    if row.failures < free:
        return 0.0
    wait = min(2.0 ** min(row.failures - free, 16), LONGEST_WAIT)
    return wait - (moment - row.last_at).total_seconds()
