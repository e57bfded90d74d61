"""Revision 0005: the audit log is only added to, whoever writes."""

from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from backend.database import Database
from backend.migrating import configuration, migration, upgrade
from tests.migrations.filling import fill

INTO = (
    "INTO audit_log (id, at, actor, action, subject_kind, subject_id, label, before, after) "
    "VALUES (1, '2026-01-01', 'eve', 'a', 'k', 'i', 'l', '{}', '{}')"
)


def run(database: Database, statement: str) -> None:
    with database.write() as session:
        session.execute(text(statement))


def actors(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(text("SELECT actor FROM audit_log ORDER BY id")))


def test_nothing_but_adding_is_taken(unmigrated: Database) -> None:
    upgrade(unmigrated)
    fill(unmigrated)
    tampering = ["UPDATE audit_log SET actor = 'eve'", "DELETE FROM audit_log"]
    if unmigrated.is_sqlite:
        tampering += [f"REPLACE {INTO}", "UPDATE OR REPLACE audit_log SET id = 2"]
    else:
        tampering += ["TRUNCATE audit_log"]
    for statement in tampering:
        with pytest.raises(IntegrityError, match="the audit log is only added to"):
            run(unmigrated, statement)
    assert actors(unmigrated) == ["ann"]
    run(unmigrated, f"INSERT {INTO.replace('(1,', '(2,')}")
    assert actors(unmigrated) == ["ann", "eve"]


def test_an_older_version_has_no_log_and_a_newer_one_begins_anew(unmigrated: Database) -> None:
    upgrade(unmigrated)
    fill(unmigrated)
    with migration(unmigrated) as connection:
        command.downgrade(configuration(connection), "0003")
    upgrade(unmigrated)
    assert actors(unmigrated) == []
    run(unmigrated, f"INSERT {INTO}")
    with pytest.raises(IntegrityError, match="the audit log is only added to"):
        run(unmigrated, "DELETE FROM audit_log")
