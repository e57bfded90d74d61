"""How a command ends: a told failure is one sentence and 1, a mistake of ours its traceback."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from threading import Timer

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from backend import cli
from backend.database import Database
from backend.outages import BUSY, NO_SPACE, TOO_LONG
from tests.disks import small_disk


@pytest.fixture
def home(tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder, of which the commands are."""
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.copy(migrated_sqlite, folder / "akin.sqlite3")
    monkeypatch.setenv("AKIN_HOME", str(folder))
    return folder


def ended(monkeypatch: pytest.MonkeyPatch, *words: str, typed: str = "") -> object:
    """The exit status of a command."""
    monkeypatch.setattr(sys, "argv", ["akin", *words])
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_a_database_that_another_process_keeps_locked(home, monkeypatch, capsys):
    monkeypatch.setattr("backend.database._BUSY_MS", 1)
    words = ("users", "add", "ann", "--role", "admin", "--password-stdin")
    other = Database(f"sqlite:///{home}/akin.sqlite3")
    with other.write():
        assert ended(monkeypatch, *words, typed="correct horse battery\n") == 1
    other.close()
    assert told(capsys) == BUSY


@pytest.mark.services
def test_a_lock_is_waited_for_as_long_as_the_settings_let_a_statement_take(
    migrated_postgres, monkeypatch, capsys
):
    monkeypatch.setenv("AKIN_DATABASE_URL", migrated_postgres.url)
    monkeypatch.setenv("AKIN_DATABASE_STATEMENT_SECONDS", "0.2")
    with migrated_postgres.write() as session:
        session.execute(text("LOCK TABLE users"))
        gives_up = Timer(20, session.rollback)
        gives_up.start()
        assert ended(monkeypatch, "users", "list") == 1
        gives_up.cancel()
    assert told(capsys) == TOO_LONG


def test_a_disk_on_which_nobody_can_note_that_a_backup_is_taken(
    home, tmp_path, monkeypatch, capsys
):
    with small_disk(tmp_path / "disk", 4) as disk:
        shutil.copy(home / "akin.sqlite3", disk.root / "akin.sqlite3")
        disk.fill(leave=40_000)  # so that it opens
        monkeypatch.setenv("AKIN_DATABASE_URL", f"sqlite:///{disk.root}/akin.sqlite3")
        assert ended(monkeypatch, "backup", str(tmp_path / "shop.tar")) == 1
    assert told(capsys).endswith(NO_SPACE)
    assert not (tmp_path / "shop.tar").exists()


def test_a_mistake_of_ours_is_no_outage(monkeypatch):
    def mistaken() -> None:
        raise ProgrammingError(str(text("SELECT 1")), {}, Exception("no such table"))

    monkeypatch.setattr(cli, "app", mistaken)
    with pytest.raises(ProgrammingError):
        cli.main()
