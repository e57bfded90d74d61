"""A data folder that a newer version wrote: one sentence, exit 1, and not a byte is changed."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from backend.data_folder import FORMAT_FILE
from tests.end_to_end.server import Server
from tests.end_to_end.test_read_only import up
from tests.end_to_end.test_refusals import assert_told

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def started_before(servers, tiny: str) -> Server:
    """A server that was started once, and stopped."""
    server: Server = servers("--no-ui", "--backbone", tiny)
    assert server.stop() == 0
    return server


@pytest.fixture
def home(started_before: Server, tmp_path: Path) -> Path:
    return Path(shutil.copytree(started_before.home, tmp_path / "home"))


def newer_tables(home: Path) -> None:
    with closing(sqlite3.connect(home / "akin.sqlite3")) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999_future'")
        database.commit()


def newer_layout(home: Path) -> None:
    (home / FORMAT_FILE).write_text("2\n")


def newer_gallery(home: Path) -> None:
    (segment,) = home.glob("galleries/*/segments/*/segment.json")
    segment.write_text(json.dumps({"format": "of the future"}))


def contents(home: Path) -> dict[str, str]:
    """All but who held the folder last, and the log."""
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in home.rglob("*")
        if path.is_file() and path.name not in {".holder", ".lock", "akin.log"}
    }


@pytest.mark.parametrize(
    ("become_newer", "parts"),
    [
        (newer_tables, ["are of a newer version of Akin (9999_future)", "install that version"]),
        (
            newer_layout,
            ["is laid out by a newer version of Akin (format '2', and this"],
        ),
        (newer_gallery, ["is damaged or of a newer version of Akin (", "start that version, or"]),
    ],
)
def test_it_is_told_and_left_alone(
    started_before: Server, home: Path, become_newer: Callable[[Path], None], parts: list[str]
) -> None:
    become_newer(home)
    before = contents(home)
    assert_told(up(Server(home, started_before.options)), *parts)
    assert contents(home) == before
