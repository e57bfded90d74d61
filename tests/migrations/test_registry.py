"""Revision 0003: what SQL itself holds a model version to, whoever writes."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from alembic import command
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError

from backend.database import Database
from backend.migrating import configuration, migration, upgrade
from backend.registry.tables import ModelVersion

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
STATES = ("training", "ready", "archived", "failed")
STEPS = {
    ("training", "ready"),
    ("training", "failed"),
    ("failed", "training"),
    ("ready", "archived"),
    ("archived", "ready"),
}


def version(number: str, state: str, **facts: Any) -> ModelVersion:
    return ModelVersion(
        id=number,
        name=f"version {number}",
        backbone={"name": "akin-demo"},
        composer="sum",
        fingerprint="f" * 64,
        dim=4,
        state=state,
        created_at=NOON,
        **facts,
    )


def change(database: Database, number: str, **values: Any) -> None:
    with database.write() as session:
        session.execute(update(ModelVersion).where(ModelVersion.id == number).values(**values))


def test_states_go_their_way_and_no_other(unmigrated: Database) -> None:
    upgrade(unmigrated)
    for before, after in product(STATES, STATES):
        number = f"{before}-{after}"
        with unmigrated.write() as session:
            session.add(version(number, before))
        if before == after or (before, after) in STEPS:
            change(unmigrated, number, state=after)
            continue
        with pytest.raises(IntegrityError, match="cannot go from this state to that one"):
            change(unmigrated, number, state=after)
        with unmigrated.read() as session:
            assert session.get_one(ModelVersion, number).state == before


def test_there_is_no_other_state(unmigrated: Database) -> None:
    upgrade(unmigrated)
    with pytest.raises(IntegrityError), unmigrated.write() as session:
        session.add(version("v", "active"))  # active is the newest deployment, and no state


CHANGES: list[dict[str, Any]] = [
    {"backbone": {"name": "ViT-B-32"}},
    {"composer": "combiner"},
    {"fingerprint": "e" * 64},
    {"text_fingerprint": "e" * 64},
    {"dim": 8},
    {"artefact": "a" * 64},
    {"card": {"name": "other"}},
    {"recipe": "combiner"},
    {"parent_id": "parent"},
]


@pytest.mark.parametrize("state", ["ready", "archived"])
def test_what_is_ready_does_not_change(unmigrated: Database, state: str) -> None:
    upgrade(unmigrated)
    with unmigrated.write() as session:
        session.add(version("parent", "ready"))
    with unmigrated.write() as session:
        session.add(version("v", state, card={"name": "mine"}))
    for values in CHANGES:
        with pytest.raises(IntegrityError, match="that is ready does not change"):
            change(unmigrated, "v", **values)
    change(unmigrated, "v", name="another name", figures={"R@10": 94.9})
    change(unmigrated, "v", card={"name": "mine"})  # the same is no change


def test_what_is_in_training_may_change(unmigrated: Database) -> None:
    upgrade(unmigrated)
    with unmigrated.write() as session:
        session.add(version("parent", "ready"))
    with unmigrated.write() as session:
        session.add(version("v", "training"))
    for values in CHANGES:
        change(unmigrated, "v", **values)
    change(unmigrated, "v", state="ready", card={"name": "done"})  # the last step is one of both


def test_a_parent_is_there_as_long_as_its_children(unmigrated: Database) -> None:
    upgrade(unmigrated)
    with unmigrated.write() as session:
        session.add(version("parent", "ready"))
    with unmigrated.write() as session:
        session.add(version("child", "ready", parent_id="parent"))
    with pytest.raises(IntegrityError), unmigrated.write() as session:
        session.delete(session.get_one(ModelVersion, "parent"))


def test_versions_of_before_were_not_trained_and_keep_what_they_had(unmigrated: Database) -> None:
    with migration(unmigrated) as connection:
        command.upgrade(configuration(connection), "0002")
    with unmigrated.write() as session:
        session.execute(
            text(
                "INSERT INTO model_versions VALUES "
                "('v', 'first', '{\"name\": \"akin-demo\"}', 'sum', :print, 4, 'ready', "
                "'2026-01-01 12:00:00')"
            ),
            {"print": "f" * 64},
        )
    upgrade(unmigrated)
    with unmigrated.read() as session:
        found = session.get_one(ModelVersion, "v")
    assert (found.name, found.backbone, found.state) == ("first", {"name": "akin-demo"}, "ready")
    assert (found.recipe, found.figures, found.actor) == ("none", {}, "akin")
    assert (found.artefact, found.card, found.parent_id, found.error) == (None, None, None, None)
    with migration(unmigrated) as connection:
        command.downgrade(configuration(connection), "0002")
    with unmigrated.read() as session:
        row = session.execute(text("SELECT * FROM model_versions")).one()
    assert (row.id, row.name, row.state) == ("v", "first", "ready")
    upgrade(unmigrated)
