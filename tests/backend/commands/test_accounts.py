"""`akin users` on the server itself; `akin login`, `logout` and `keys` towards a server."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from typer.testing import CliRunner, Result

from backend.app import create_app
from backend.cli import app as commands
from backend.database import Database
from backend.errors import AkinError
from backend.migrating import configuration, migration
from backend.runtime import Runtime
from tests.api import served

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKIN_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "160")
    for name in ("AKIN_TOKEN", "AKIN_URL"):
        monkeypatch.delenv(name, raising=False)


def run(*words: str, typed: str = "") -> Result:
    return CliRunner().invoke(commands, list(words), input=typed)


def done(*words: str, typed: str = "") -> str:
    result = run(*words, typed=typed)
    assert result.exit_code == 0, result.output + str(result.exception)
    return result.stdout + result.stderr


def refused(*words: str, typed: str = "") -> str:
    error = run(*words, typed=typed).exception
    assert isinstance(error, AkinError), error
    return error.sentence


def add(name: str, role: str) -> None:
    done("users", "add", name, "--role", role, "--password-stdin", typed=f"{PASSWORD}\n")


# --- on the server itself


def test_the_first_admin_comes_before_the_first_start(tmp_path, monkeypatch):
    monkeypatch.setenv("AKIN_HOME", str(tmp_path / "new"))
    add("ann", "admin")
    assert "ann" in done("users", "list")


@pytest.mark.services
def test_a_server_s_empty_database_gets_its_tables_and_old_ones_stay(
    scratch_postgres_url, monkeypatch
):
    monkeypatch.setenv("AKIN_DATABASE_URL", scratch_postgres_url)
    monkeypatch.setenv("AKIN_GALLERY_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AKIN_BROKER_URL", "redis://127.0.0.1:9/0")
    add("ann", "admin")
    database = Database(scratch_postgres_url)
    with migration(database) as connection:
        command.downgrade(configuration(connection), "0007")
    database.close()
    assert "of an older version of Akin" in refused("users", "list")


def test_a_password_is_asked_for_twice_and_not_shown():
    typed = f"{PASSWORD}\n{PASSWORD}\n"
    assert PASSWORD not in done("users", "add", "ann", "--role", "admin", typed=typed)


def test_users_get_roles_go_and_come_back():
    add("Ann", "admin")
    add("mia", "shopper")
    assert "mia is a manager" in done("users", "role", "mia", "manager")
    assert "no longer" in done("users", "disable", "mia")
    users = json.loads(done("users", "list", "--json"))
    assert [(user["name"], user["role"], user["disabled"]) for user in users] == [
        ("ann", "admin", False),
        ("mia", "manager", True),
    ]
    assert "can log in again" in done("users", "enable", "mia")
    assert "has a new password" in done("users", "password", "mia", "--password-stdin",
                                        typed="staple correct horse\n")  # fmt: skip


@pytest.mark.parametrize(
    ("words", "typed", "told"),
    [
        (("add", "two words", "--role", "admin"), "", "The name has to be letters"),
        (("add", "bob", "--role", "boss"), "", "There are the roles shopper, manager and admin"),
        (("add", "bob", "--role", "admin", "--password-stdin"), "x\n", "has 10 to 200 characters"),
        (("role", "ann", "boss"), "", "There are the roles"),
        (("role", "ann", "shopper"), "", "last admin"),
        (("disable", "nobody"), "", "There is no user nobody"),
        (("password", "ann", "--password-stdin"), "x\n", "has 10 to 200 characters"),
    ],
)
def test_a_mistake_is_told(words, typed, told):
    add("ann", "admin")
    assert told in refused("users", *words, typed=typed)


# --- towards a server


@pytest.fixture
def url(runtime: Runtime) -> Iterator[str]:
    """A server where Ann and Mia have accounts."""
    add("ann", "admin")
    add("mia", "manager")
    with served(create_app(runtime)) as address:
        yield address


def log_in(url: str, name: str = "mia") -> str:
    return done("login", name, "--password-stdin", "--url", url, typed=f"{PASSWORD}\n")


def test_a_login_makes_the_commands_that_follow_one_s_own(url, tmp_path):
    assert "log in (`akin login`)" in refused("jobs", "list", "--url", url)
    assert "You are mia (manager)" in log_in(url + "/")
    done("jobs", "list", "--url", url)
    kept = tmp_path / "config" / "akin" / "logins.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert list(json.loads(kept.read_text())) == [url]
    assert "logged out" in done("logout", "--url", url)
    assert json.loads(kept.read_text()) == {}
    assert "akin login" in refused("jobs", "list", "--url", url)


def test_a_wrong_password_is_told_and_keeps_the_login_there_was(url):
    log_in(url)
    told = refused("login", "mia", "--password-stdin", "--url", url, typed="wrong\n")
    assert told == "Name and password do not fit: check both, or ask an admin."
    done("jobs", "list", "--url", url)


def test_a_logout_forgets_a_login_that_is_over_already(url):
    log_in(url)
    done("users", "disable", "mia")
    done("logout", "--url", url)


def test_a_logout_ends_the_login_that_is_kept_whatever_the_environment_says(
    url, tmp_path, monkeypatch
):
    log_in(url)
    token = json.loads((tmp_path / "config" / "akin" / "logins.json").read_text())[url]
    made = json.loads(run("keys", "add", "till", "--url", url, "--json").stdout)
    monkeypatch.setenv("AKIN_TOKEN", made["token"])
    told = done("logout", "--url", url)
    assert f"You are logged out of {url}." in told
    assert "AKIN_TOKEN is still set" in told
    done("jobs", "list", "--url", url)  # with the key
    monkeypatch.setenv("AKIN_TOKEN", token)
    assert "log in again" in refused("jobs", "list", "--url", url)


def test_without_a_login_there_is_none_to_end(url):
    told = done("logout", "--url", url)
    assert f"There is no login to {url} to end." in told
    assert "AKIN_TOKEN" not in told


def test_a_machine_has_its_key_in_the_environment(url, monkeypatch):
    log_in(url)
    made = json.loads(
        run("keys", "add", "till", "--role", "shopper", "--url", url, "--json").stdout
    )
    assert made["token"] not in done("keys", "list", "--url", url)
    monkeypatch.setenv("AKIN_TOKEN", made["token"])
    assert "mia/till is a shopper" in refused("jobs", "list", "--url", url)
    monkeypatch.delenv("AKIN_TOKEN")
    done("keys", "revoke", made["id"], "--url", url)
    monkeypatch.setenv("AKIN_TOKEN", made["token"])
    assert "log in again" in refused("keys", "list", "--url", url)


def test_a_list_of_keys_says_how_many_more_there_are(url, monkeypatch):
    monkeypatch.setattr("backend.commands.login._AT_ONCE", 2)  # as if the server gave two at a time
    log_in(url)
    for n in range(5):
        done("keys", "add", f"till {n}", "--url", url)
    assert "3 of 5: -n 5 shows all." in done("keys", "list", "-n", "3", "--url", url)
    listed = done("keys", "list", "-n", "5", "--url", url)
    assert all(f"till {n}" in listed for n in range(5))
    assert "shows all" not in listed


def test_a_damaged_file_of_logins_is_told(url, tmp_path):
    log_in(url)
    (tmp_path / "config" / "akin" / "logins.json").write_text("[1")
    assert "delete it, and log in again" in refused("jobs", "list", "--url", url)
