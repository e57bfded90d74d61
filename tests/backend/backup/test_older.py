"""A backup of an older version of Akin goes into tables of its time, which then are migrated."""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

from backend import clock
from backend.backup.archive import BLOB_AREAS, FORMAT, HEAD, MANIFEST, Names, end, member
from backend.backup.rows import pieces, tables_of
from backend.backup.schemas import BackupHead, BackupManifest
from backend.database import Database
from backend.errors import SetupError
from backend.migrating import configuration, is_behind, migration, upgrade
from tests.backend.backup.conftest import fill_from, installation, write

pytestmark = pytest.mark.long

ATTRIBUTE = "INSERT INTO attributes VALUES ('fit', 'Fit', 'keyword', :filterable, :at)"


def older_backup(path: Path, database: Database, revision: str) -> None:
    """What Akin wrote when its tables were of `revision`, of one attribute."""
    told = BackupManifest(blobs={area: Names().told() for area in BLOB_AREAS})
    head = BackupHead(format=FORMAT, akin="0.0.9", revision=revision, created_at=clock.now())
    with migration(database) as connection:
        command.upgrade(configuration(connection), revision)
        connection.execute(text(ATTRIBUTE), {"filterable": True, "at": "2026-01-01 12:00:00"})
    with database.engine.connect() as connection, path.open("wb") as file:
        data = head.model_dump_json().encode()
        file.writelines(member(HEAD, len(data), [data]))
        for table in tables_of(connection):
            for data, count in pieces(connection, table):
                name = f"tables/{table.name}/00000001"
                told.rows[table.name] = count
                told.pieces[name] = hashlib.sha256(data).hexdigest()
                file.writelines(member(name, len(data), [data]))
        data = told.model_dump_json().encode()
        file.writelines(member(MANIFEST, len(data), [data]))
        file.write(end())


@pytest.mark.parametrize("revision", ["0002", "0005"])
@pytest.mark.parametrize("is_migrated", [False, True])
def test_an_older_backup_is_migrated(tmp_path: Path, revision: str, is_migrated: bool) -> None:
    path = tmp_path / "old.tar"
    with closing(Database(f"sqlite:///{tmp_path}/old.sqlite3")) as old:
        older_backup(path, old, revision)
    with installation(tmp_path / "home") as runtime:
        if is_migrated:  # as an operator of the server profile has done
            upgrade(runtime.database)
        fill_from(runtime, path)
        assert not is_behind(runtime.database)
        with runtime.database.read() as session:
            rows = session.execute(text("SELECT slug, label FROM attributes")).all()
        assert [tuple(row) for row in rows] == [("fit", "Fit")]


def test_older_tables_are_migrated_before_they_are_saved(tmp_path: Path) -> None:
    with installation(tmp_path) as runtime:
        with migration(runtime.database) as connection:
            command.upgrade(configuration(connection), "0005")
        with pytest.raises(SetupError, match="are of an older version of Akin"):
            write(runtime, tmp_path / "x.tar")
