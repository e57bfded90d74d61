"""Every migration, up and down, on databases that hold something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select, text
from sqlalchemy.engine import make_url

from backend.database import Base, Database
from backend.errors import SetupError
from backend.migrating import COMMAND, check, configuration, main, migration, upgrade
from tests.disks import small_disk
from tests.migrations.filling import fill

FORGOTTEN = ("promotions", "audit_log", "training_points", "training_log", "triplets", "replicas",
             "users", "tokens", "login_failures", "signing_keys", "job_parts")  # fmt: skip
"""Tables that the first migration does not have, and that nothing else tells the rows of."""


def counts(database: Database) -> dict[str, int]:
    with database.read() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
        }


def to(database: Database, revision: str) -> None:
    with migration(database) as connection:
        direction = command.downgrade if revision == "base" else command.upgrade
        direction(configuration(connection), revision)


def differences(connection: Connection) -> list[Any]:
    options = {"compare_server_default": True, "compare_type": True}
    context = MigrationContext.configure(connection, opts=options)
    return list(compare_metadata(context, Base.metadata))


def test_migrated_tables_are_those_the_code_describes(unmigrated: Database) -> None:
    upgrade(unmigrated)
    with unmigrated.engine.connect() as connection:
        assert differences(connection) == []


def test_constraints_have_the_names_the_code_gives_them(unmigrated: Database) -> None:
    upgrade(unmigrated)
    with unmigrated.engine.connect() as connection:
        found = names_in(connection, unmigrated.is_sqlite)
    wanted = {
        str(constraint.name)
        for table in Base.metadata.sorted_tables
        for constraint in table.constraints
    }
    missing = {name for name in wanted if name not in found}
    assert missing == set()


def names_in(connection: Connection, is_sqlite: bool) -> str:
    """One text that holds the name of every constraint."""
    query = "SELECT sql FROM sqlite_master" if is_sqlite else "SELECT conname FROM pg_constraint"
    return "\n".join(str(row[0]) for row in connection.execute(text(query)))


def test_up_down_and_up_again(unmigrated: Database) -> None:
    to(unmigrated, "head")
    to(unmigrated, "base")
    with unmigrated.engine.connect() as connection:
        assert connection.dialect.get_table_names(connection) == ["alembic_version"]
    to(unmigrated, "head")
    assert set(counts(unmigrated).values()) == {0}


def test_every_step_keeps_every_row(unmigrated: Database) -> None:
    """Down to the first tables and up again; nothing below them holds rows. What a later step
    began to keep is forgotten on the way down, and nothing else."""
    upgrade(unmigrated)
    fill(unmigrated)
    before = counts(unmigrated)
    assert min(before.values()) > 0, "fill every table, or this test proves nothing"
    to_first = ScriptDirectory.from_config(configuration()).get_bases()[0]
    with migration(unmigrated) as connection:
        command.downgrade(configuration(connection), to_first)
    upgrade(unmigrated)
    assert counts(unmigrated) == before | dict.fromkeys(FORGOTTEN, 0)


def test_rebuilding_a_parent_table_keeps_its_children(unmigrated: Database) -> None:
    """What a later migration will do to a table that others refer to (on SQLite: by copying)."""
    upgrade(unmigrated)
    fill(unmigrated)
    before = counts(unmigrated)
    with migration(unmigrated) as connection:
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("products") as products:
            products.alter_column("title", server_default="untitled")
    assert counts(unmigrated) == before


def test_a_failed_migration_leaves_everything_as_it_was(unmigrated: Database) -> None:
    upgrade(unmigrated)
    fill(unmigrated)
    before = counts(unmigrated)

    def fail_half_way() -> None:
        with migration(unmigrated) as connection:
            connection.execute(text("DELETE FROM embeddings"))
            connection.execute(text("DROP TABLE removals"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert counts(unmigrated) == before


def test_rows_that_refer_to_nothing_stop_a_migration(sqlite_database: Database) -> None:
    fill(sqlite_database)

    def orphan() -> None:
        with migration(sqlite_database) as connection:
            connection.execute(text("UPDATE images SET product_id = 'nobody'"))
            connection.execute(text("UPDATE job_items SET job_id = 'nobody'"))

    with pytest.raises(SetupError, match="2 rows of images, job_items that refer to nothing"):
        orphan()
    with sqlite_database.read() as session:
        gone = session.scalar(text("SELECT count(*) FROM images WHERE product_id = 'nobody'"))
    assert gone == 0


def test_foreign_keys_are_enforced_again_afterwards(unmigrated: Database) -> None:
    upgrade(unmigrated)
    with (
        pytest.raises(Exception, match=r"FOREIGN KEY|foreign key"),
        unmigrated.write() as session,
    ):
        session.execute(
            text("INSERT INTO job_items VALUES ('nobody', 1, 'x', '{}', 'done', NULL, NULL, NULL)")
        )


def test_upgrading_twice_changes_nothing(unmigrated: Database) -> None:
    upgrade(unmigrated)
    fill(unmigrated)
    before = counts(unmigrated)
    upgrade(unmigrated)
    check(unmigrated)
    assert counts(unmigrated) == before


def test_older_tables_are_refused_with_the_command_to_run(unmigrated: Database) -> None:
    with pytest.raises(SetupError, match=f"are of an older version of Akin.*`{COMMAND}`"):
        check(unmigrated)


@pytest.mark.parametrize("start", [upgrade, check])
def test_newer_tables_are_refused(unmigrated: Database, start) -> None:
    upgrade(unmigrated)
    with unmigrated.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SetupError, match=r"newer version of Akin \(9999\): install that version"):
        start(unmigrated)


def test_the_command_migrates_the_database_of_the_settings(
    unmigrated: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AKIN_DATABASE_URL", unmigrated.url)
    main()
    check(unmigrated)


def test_the_command_tells_a_failure_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKIN_DATABASE_URL", "postgresql://127.0.0.1:1/x?connect_timeout=2")
    with pytest.raises(SystemExit, match="cannot be reached: check AKIN_DATABASE_URL"):
        main()


def test_the_command_tells_of_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        disk.fill(leave=40_000)  # so that it opens
        monkeypatch.setenv("AKIN_DATABASE_URL", f"sqlite:///{disk.root}/akin.sqlite3")
        with pytest.raises(SystemExit, match=r"^The disk that holds Akin's data is full"):
            main()


@pytest.mark.services
def test_the_password_is_not_shown(scratch_postgres_url: str) -> None:
    secret = make_url(scratch_postgres_url).set(password="secret").render_as_string(False)
    with pytest.raises(SetupError) as told:
        check(Database(secret))
    assert "secret" not in told.value.sentence
