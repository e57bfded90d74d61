"""`akin doctor` says whether people have to log in, and who could let them in."""

from __future__ import annotations

import pytest

from backend.accounts import service
from backend.accounts.tables import User
from backend.database import Database
from backend.diagnosis.examining import examine
from backend.diagnosis.finding import Doubtful
from backend.diagnosis.people import accounts
from backend.errors import SetupError
from backend.settings import Settings


@pytest.fixture
def settings(tmp_path) -> Settings:
    """Of an installation that has no file yet."""
    return Settings(home=tmp_path / "new")


def of(database: Database, **given: object) -> Settings:
    return Settings(database_url=database.url, **given)  # type: ignore[arg-type]


def add(database: Database, *people: tuple[str, str]) -> None:
    with database.write() as session:
        for name, role in people:
            service.add(session, name, role, "x", "local")  # type: ignore[arg-type]


def test_without_accounts_this_machine_is_the_admin(database: Database) -> None:
    told = accounts(of(database))
    assert told == "off, there is no user. Whoever is at this machine is the admin."
    assert not isinstance(told, Doubtful)


def test_a_new_installation_has_none_and_gets_no_file_by_being_looked_at(settings) -> None:
    assert accounts(settings).startswith("off, there are no tables yet")
    assert not settings.home.exists()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"accounts": "on"}, "AKIN_ACCOUNTS=on asks for a login and there is no admin yet"),
        ({"host": "0.0.0.0"}, "would let anybody on the network in without a login"),
    ],
)
def test_a_new_installation_that_asks_for_a_login_needs_an_admin_first(tmp_path, asked, told):
    settings = Settings(home=tmp_path / "new", **asked)
    with pytest.raises(SetupError, match=told):
        accounts(settings)
    assert not settings.home.exists()


@pytest.mark.services
def test_an_empty_database_that_asks_for_a_login_needs_one_too(scratch_postgres_url):
    settings = Settings(database_url=scratch_postgres_url, accounts="on")
    with pytest.raises(SetupError, match="AKIN_ACCOUNTS=on asks for a login"):
        accounts(settings)


def test_users_and_admins_are_counted(database: Database) -> None:
    add(database, ("ann", "admin"))
    assert accounts(of(database)) == "on: 1 user, an admin among them."
    add(database, ("max", "admin"), ("sue", "shopper"))
    assert accounts(of(database)) == "on: 3 users, 2 admins among them."


def test_accounts_that_nobody_can_look_after_are_a_failure(database: Database) -> None:
    add(database, ("ann", "admin"), ("sue", "shopper"))
    with database.write() as session:
        session.query(User).filter_by(name="ann").one().disabled = True
    with pytest.raises(SetupError, match="no admin can log in: add one with `akin users add"):
        accounts(of(database))


def test_an_address_that_others_reach_without_an_admin_is_a_failure(database: Database) -> None:
    with pytest.raises(SetupError, match="would let anybody on the network in without a login"):
        accounts(of(database, host="0.0.0.0"))


def test_an_open_door_is_a_warning_and_no_failure(database: Database) -> None:
    told = accounts(of(database, host="0.0.0.0", allow_open=True))
    assert isinstance(told, Doubtful)
    assert told.startswith("open: whoever reaches 0.0.0.0 is an admin (AKIN_ALLOW_OPEN)")
    add(database, ("ann", "admin"))
    assert accounts(of(database, host="0.0.0.0", allow_open=True)).startswith("on: ")


def test_a_warning_is_marked_in_its_finding(tmp_path, monkeypatch) -> None:
    given = Settings(home=tmp_path, host="0.0.0.0", allow_open=True)
    found = next(one for one in examine(given) if one.part == "accounts")
    assert (found.good, found.doubtful) == (True, True)
    assert found.as_dict()["doubtful"] is True
