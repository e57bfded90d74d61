"""What a training leaves in the audit log: who asked for it, and how it ended."""

from __future__ import annotations

import pytest

from backend.audit.schemas import AuditFilter, AuditLineOut
from backend.audit.service import all_lines
from backend.database import Database
from backend.runtime import Runtime
from tests.backend.training.test_following import Life


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """One is enough."""
    return sqlite_database


def lines(runtime: Runtime) -> list[AuditLineOut]:
    """Of the models, oldest first."""
    found = all_lines(runtime.database, AuditFilter(action="model."))
    return list(found)[::-1]


def test_a_training_is_told_from_its_beginning_to_its_end(runtime: Runtime) -> None:
    life = Life(runtime)
    life.claim()
    life.fail()
    life.retry()
    life.claim()
    life.finish()
    told = [line for line in lines(runtime) if line.action != "model.start"]
    actions = ["model.train", "model.fail", "model.resume", "model.ready"]
    assert [line.action for line in told] == actions
    assert {line.actor for line in told} == {"ann"}
    assert told[0].after["parameters"] == {"batch": 2}
    assert told[1].after["error"] == "No such data: bring some."
