"""`akin up --demo`: the demo is filled once, by whoever may fill a catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import httpx
import pytest
from fastapi.testclient import TestClient

from backend.accounts import passwords, service
from backend.app import create_app
from backend.catalogue.schemas import ImportCreate
from backend.client import AkinClient
from backend.commands.serving import _fill
from backend.runtime import Runtime
from tests.backend.catalogue.stock import stocked


class Seed:
    """Stands in for what draws the demo: it opens an import, as that does first."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, client: AkinClient, home: Path) -> None:
        self.asked += 1
        client.open_import(ImportCreate())


@pytest.fixture
def seed() -> Seed:
    return Seed()


@pytest.fixture
def client(runtime: Runtime) -> AkinClient:
    app = create_app(runtime)
    app.state.serving = None
    http = TestClient(app, base_url="http://127.0.0.1:8000")
    return AkinClient("http://x", http=cast(httpx.Client, http))


def add_an_admin(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        service.add(session, "ann", "admin", passwords.hashed("correct horse"), "local")


def test_an_empty_demo_is_filled_without_a_word(
    runtime: Runtime, client: AkinClient, seed: Seed, capsys: pytest.CaptureFixture[str]
) -> None:
    _fill(runtime.settings, client, seed)
    assert (seed.asked, capsys.readouterr().err) == (1, "")


def test_where_people_log_in_it_says_how_to_fill_the_demo(
    runtime: Runtime, client: AkinClient, seed: Seed, capsys: pytest.CaptureFixture[str]
) -> None:
    add_an_admin(runtime)
    _fill(runtime.settings, client, seed)
    assert " ".join(capsys.readouterr().err.split()) == (
        "The demo was not filled, since people have to log in here: while it runs, log in as a "
        "manager or admin with `akin login` in another terminal, then stop it and start `akin up "
        "--demo` again."
    )


def test_a_demo_that_is_filled_needs_no_login(
    runtime: Runtime, client: AkinClient, seed: Seed, capsys: pytest.CaptureFixture[str]
) -> None:
    add_an_admin(runtime)
    stocked(runtime.database)
    _fill(runtime.settings, client, seed)
    assert (seed.asked, capsys.readouterr().err) == (0, "")


def test_any_other_failure_is_told_as_it_is(
    runtime: Runtime, client: AkinClient, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(client: AkinClient, home: Path) -> None:
        raise OSError("no room")

    _fill(runtime.settings, client, fail)
    assert "The demo could not be filled: no room" in capsys.readouterr().err
