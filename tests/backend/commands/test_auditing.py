"""`akin audit`: the newest changes in the terminal, all of them as a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner, Result

from backend.audit.routes import router
from backend.audit.service import Subject, note
from backend.cli import app as commands
from backend.commands import auditing
from backend.runtime import Runtime
from tests.api import api_of, client_of
from tests.conftest import MovableClock


@pytest.fixture(autouse=True)
def _noted(runtime: Runtime, clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two changes, a day apart, in a server that the command finds."""
    tee = Subject("product", "p1", "TEE [/x] \x1b[2J")
    with runtime.database.write() as session:
        note(session, "ann", "product.update", tee, before={"price": "9"}, after={"price": "8"})
    clock.advance(86400)
    with runtime.database.write() as session:
        note(session, "ben", "product.delete", tee, before={"title": "Tee"})
    http = TestClient(api_of(runtime, router))
    monkeypatch.setattr(auditing, "connect", lambda url: client_of(http))
    monkeypatch.setenv("COLUMNS", "160")


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(commands, ["audit", *map(str, words)])


def test_the_list_says_who_did_what_and_how_it_was_before() -> None:
    shown = run("list")
    assert shown.exit_code == 0, shown.output
    assert "price: 9 → 8" in shown.stdout
    assert "title: Tee → -" in shown.stdout
    assert shown.stdout.index("ben") < shown.stdout.index("ann")
    assert "TEE [/x]" in shown.stdout
    assert "\x1b[2J" not in shown.stdout


@pytest.mark.parametrize(
    "options",
    [
        ("--actor", "ann"),
        ("--action", "product.u"),
        ("--to", "2026-01-02"),
        ("--kind", "product", "--id", "p1", "--to", "2026-01-02"),
    ],
)
def test_what_is_asked_for_is_filtered(options: tuple[str, ...]) -> None:
    found = json.loads(run("list", "--json", *options).stdout)
    assert [line["actor"] for line in found["items"]] == ["ann"]


def test_an_export_is_one_new_file(tmp_path: Path) -> None:
    done = run("export", tmp_path / "log.csv", "--from", "2026-01-02")
    assert done.exit_code == 0, done.output
    text = (tmp_path / "log.csv").read_text(encoding="utf-8-sig")
    assert [line.split(",")[1] for line in text.splitlines()] == ["actor", "ben"]
    again = run("export", tmp_path / "log.csv")
    assert again.exit_code == 1
    assert "exists already: name a new file" in str(again.exception)


def test_a_time_that_is_none_is_wrong_usage() -> None:
    assert run("list", "--from", "yesterday").exit_code == 2
