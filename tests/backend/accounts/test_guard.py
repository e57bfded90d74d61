"""Logging in, and when accounts are on, on both databases."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import exc

from backend.accounts import passwords, service
from backend.accounts.guard import Guard, check_door
from backend.accounts.tables import Token, User
from backend.errors import NotKnown, SetupError
from backend.settings import Settings
from tests.backend.accounts.site import HERE, PASSWORD, change
from tests.conftest import MovableClock

# --- logging in


def test_a_login_gives_a_token_that_says_who_one_is(guard):
    entered = guard.log_in(" Mia ", PASSWORD, HERE)
    actor = guard.actor_of_token(entered.token)
    assert (actor.name, actor.role, actor.by_key) == ("mia", "manager", False)


def test_no_token_and_no_password_is_kept_as_it_is(guard, people):
    entered = guard.log_in("mia", PASSWORD, HERE)
    with people.read() as session:
        token = session.query(Token).one()
        user = session.query(User).filter_by(name="mia").one()
    assert entered.token not in vars(token).values()
    assert user.password_hash.startswith("$argon2id$")


def test_a_login_is_over_after_a_week(guard, clock: MovableClock):
    entered = guard.log_in("mia", PASSWORD, HERE)
    clock.advance(7 * 86400 - 1)
    assert guard.actor_of_token(entered.token)
    clock.advance(1)
    with pytest.raises(NotKnown, match="log in again"):
        guard.actor_of_token(entered.token)


@pytest.mark.parametrize(("name", "password"), [("nobody", PASSWORD), ("mia", "wrong"), ("", "")])
def test_a_failed_login_does_not_say_what_was_wrong(guard, name, password):
    with pytest.raises(NotKnown, match="Name and password do not fit"):
        guard.log_in(name, password, HERE)


def test_an_unknown_name_costs_the_same_work(guard, monkeypatch):
    asked = []
    real = type(passwords._hasher).verify

    def verify(self, password_hash, password):
        asked.append(password_hash)
        return real(self, password_hash, password)

    monkeypatch.setattr(type(passwords._hasher), "verify", verify)
    for name in ("nobody", "mia"):
        with pytest.raises(NotKnown):
            guard.log_in(name, "wrong", HERE)
    parameters = [one.rsplit("$", 2)[0] for one in asked]
    assert len(parameters) == 2
    assert parameters[0] == parameters[1]


def test_a_disabled_user_is_out_at_once_and_a_demoted_one_is_less(guard, people):
    sue, mia = (guard.log_in(name, PASSWORD, HERE).token for name in ("sue", "mia"))
    change(people, "sue", disabled=True)
    change(people, "mia", role="shopper")
    with pytest.raises(NotKnown):
        guard.actor_of_token(sue)
    with pytest.raises(NotKnown, match="do not fit"):
        guard.log_in("sue", PASSWORD, HERE)
    assert guard.actor_of_token(mia).role == "shopper"


def test_a_new_password_ends_every_login_but_the_one_that_set_it(guard, people):
    here, there = (guard.log_in("mia", PASSWORD, HERE).token for _ in range(2))
    keep = guard.actor_of_token(here).token_id
    change(people, "mia", password_hash=passwords.hashed("another sentence"), keep=keep)
    assert guard.actor_of_token(here)
    with pytest.raises(NotKnown):
        guard.actor_of_token(there)
    guard.log_in("mia", "another sentence", HERE)


@pytest.mark.parametrize("meanwhile", [{"disabled": True}, {"password_hash": "of another"}])
def test_what_ends_all_logins_ends_the_one_in_flight(guard, people, monkeypatch, meanwhile):
    """Looking at a password takes a tenth of a second, in which an admin takes the account back."""
    real = passwords.fits

    def fits(password, password_hash):
        fitting = real(password, password_hash)
        change(people, "mia", **meanwhile)
        return fitting

    monkeypatch.setattr(passwords, "fits", fits)
    with pytest.raises(NotKnown, match="do not fit"):
        guard.log_in("mia", PASSWORD, HERE)
    with people.read() as session:
        assert session.query(Token).count() == 0


def test_the_last_use_is_known_to_the_minute(guard, people, clock: MovableClock):
    token = guard.log_in("mia", PASSWORD, HERE).token
    used = []
    for seconds in (0, 59, 1):
        clock.advance(seconds)
        guard.actor_of_token(token)
        with people.read() as session:
            users = service.list_users(session).items
        used.append(next(user.last_used_at for user in users if user.name == "mia"))
    begun = clock.moment - timedelta(seconds=60)
    assert used == [begun, begun, clock.moment]


@pytest.mark.parametrize(
    "error",
    [
        exc.OperationalError("UPDATE", {}, Exception("the disk is full")),
        exc.TimeoutError("every connection is taken"),
    ],
)
def test_nobody_is_refused_because_the_use_cannot_be_noted(guard, people, monkeypatch, error):
    token = guard.log_in("mia", PASSWORD, HERE).token

    def refuse():
        raise error

    monkeypatch.setattr(people, "write", refuse)
    assert guard.actor_of_token(token).name == "mia"


# --- when accounts are on


@pytest.mark.parametrize(
    ("given", "on"),
    [
        ({}, False),
        ({"accounts": "on"}, True),
        ({"host": "0.0.0.0"}, True),
        ({"host": "0.0.0.0", "allow_open": True}, False),
        ({"host": "0.0.0.0", "allow_open": True, "accounts": "on"}, True),
    ],
)
def test_accounts_are_on_where_the_settings_say_so_or_anybody_was_added(
    sqlite_database, password_hash, given, on
):
    guard = Guard(Settings(**given), sqlite_database)
    assert guard.look() is on
    with sqlite_database.write() as session:
        service.add(session, "ann", "admin", password_hash, "local")
    assert Guard(Settings(**given), sqlite_database).look()


def test_a_running_server_sees_a_user_that_was_added_beside_it(
    sqlite_database, password_hash, monkeypatch
):
    moment = 1000.0
    monkeypatch.setattr("backend.clock.monotonic", lambda: moment)
    guard = Guard(Settings(), sqlite_database)
    assert not guard.look()
    with sqlite_database.write() as session:
        service.add(session, "ann", "admin", password_hash, "local")
    moment += 5
    assert guard.look()


def test_whoever_comes_while_it_is_looked_waits_for_what_is_found(people, monkeypatch):
    """Right after a start many ask at once; none may be taken for the local admin."""
    guard = Guard(Settings(), people)
    looking, may_answer, found = threading.Event(), threading.Event(), []
    real = service.any_user

    def slow(session):
        looking.set()
        may_answer.wait(10)
        return real(session)

    monkeypatch.setattr(service, "any_user", slow)
    first = threading.Thread(target=lambda: found.append(guard.look()))
    first.start()
    assert looking.wait(10)
    assert guard.is_stale  # who asks now is sent to look as well
    second = threading.Thread(target=lambda: found.append(guard.look()))
    second.start()
    may_answer.set()
    first.join()
    second.join()
    assert found == [True, True]


def test_a_look_that_failed_is_no_answer(people, monkeypatch):
    guard = Guard(Settings(), people)
    with monkeypatch.context() as down:

        def refuse(session):
            raise ConnectionError("the database is down")

        down.setattr(service, "any_user", refuse)
        with pytest.raises(ConnectionError):
            guard.look()
    assert guard.is_stale
    assert guard.look()


def test_a_user_added_while_it_is_looked_is_not_forgotten(sqlite_database, monkeypatch):
    guard = Guard(Settings(), sqlite_database)

    def too_early(session):
        guard.turn_on()
        return False

    monkeypatch.setattr(service, "any_user", too_early)
    assert guard.look()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::"])
def test_an_open_address_needs_an_admin_or_a_word(sqlite_database, password_hash, host):
    settings = Settings(host=host)
    with sqlite_database.read() as session:
        told = r"without a login.*akin users add NAME --role admin.*AKIN_ALLOW_OPEN=1"
        with pytest.raises(SetupError, match=told):
            check_door(settings, session)
        check_door(Settings(host=host, allow_open=True), session)
        with pytest.raises(SetupError, match="AKIN_ACCOUNTS=on asks for a login"):
            check_door(Settings(accounts="on"), session)
    with sqlite_database.write() as session:
        service.add(session, "ann", "admin", password_hash, "local")
        check_door(settings, session)
