"""The list of model versions: in SQL, over HTTP, and as `akin models list` shows it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from backend.cli import app
from backend.client import ApiError
from backend.commands import models
from backend.database import Database
from backend.errors import InvalidInput, NotFound
from backend.paging import encode_cursor
from backend.registry.routes import router
from backend.registry.service import ensure_active
from backend.registry.tables import ModelVersion
from backend.registry.versions import find_version, list_versions
from tests.api import api_of, client_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def stock(database: Database, count: int) -> None:
    """Combiners, each trained from the one before; of the first two no hour tells the order."""
    for number in range(count):
        with database.write() as session:
            session.add(
                ModelVersion(
                    id=f"v{number:03d}",
                    name=f"combiner {number}",
                    backbone={"name": "akin-demo", "pretrained": None, "preprocessing": "clip"},
                    composer="combiner",
                    recipe="combiner",
                    fingerprint="f" * 64,
                    dim=16,
                    state="failed" if number == 1 else "ready",
                    error="The loss became nan." if number == 1 else None,
                    parent_id=f"v{number - 1:03d}" if number else None,
                    figures={"R@10": 90.0 + number},
                    created_at=NOON + timedelta(seconds=max(number, 1)),
                )
            )


def test_pages_hold_every_version_once_newest_first(database):
    stock(database, 5)
    found, cursor = [], None
    while True:
        with database.read() as session:
            page = list_versions(session, cursor=cursor, limit=2)
        assert page.total == 5
        found += [one.id for one in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert found == ["v004", "v003", "v002", "v001", "v000"]


def test_a_version_says_what_it_is_of(database):
    stock(database, 2)
    with database.read() as session:
        found = find_version(session, "v001")
        (failed,) = list_versions(session, state="failed").items
    assert found == failed
    assert (found.state, found.error) == ("failed", "The loss became nan.")
    assert (found.parent, found.backbone, found.gallery) == ("combiner 0", "akin-demo", None)
    assert (found.active, found.promoted_at) == (False, None)
    assert found.figures == {"R@10": 91.0}


def test_the_newest_deployment_is_the_active_one(runtime, tiny):
    with runtime.database.write() as session:
        now = ensure_active(session, runtime, tiny)
    stock(runtime.database, 2)
    with runtime.database.read() as session:
        active = [one for one in list_versions(session).items if one.active]
    (one,) = active
    assert (one.id, one.gallery, one.recipe) == (now.version_id, now.gallery_id, "none")
    assert one.text_fingerprint == tiny.text_fingerprint
    assert one.promoted_at is not None


def test_what_is_not_there_is_told(database):
    with database.read() as session:
        with pytest.raises(NotFound, match="no model version v9: list them with `akin"):
            find_version(session, "v9")
        with pytest.raises(InvalidInput, match="start anew without it"):
            list_versions(session, cursor=encode_cursor(["gone"]))
        with pytest.raises(InvalidInput, match="not one this list gave out"):
            list_versions(session, cursor="?")


def test_over_http_the_list_is_the_same(runtime):
    stock(runtime.database, 3)
    client = client_of(api_of(runtime, router))
    page = client.models(limit=2)
    assert [one.id for one in page.items] == ["v002", "v001"]
    rest = client.models(cursor=page.next_cursor)
    assert [one.id for one in rest.items] == ["v000"]
    with pytest.raises(ApiError):
        client.models(state="active")


def test_the_command_lists_them(runtime, tiny, monkeypatch):
    with runtime.database.write() as session:
        ensure_active(session, runtime, tiny)
    stock(runtime.database, 2)
    monkeypatch.setattr(models, "connect", lambda url: client_of(api_of(runtime, router)))
    monkeypatch.setenv("COLUMNS", "160")
    shown = CliRunner().invoke(app, ["models", "list"])
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert any("combiner 1" in line and "failed" in line and "combiner 0" in line for line in lines)
    assert sum("active" in line for line in lines) == 1
    told = json.loads(CliRunner().invoke(app, ["models", "list", "--json"]).stdout)
    assert [one["name"] for one in told["items"] if one["state"] == "failed"] == ["combiner 1"]
