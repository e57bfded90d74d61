"""Users, passwords, tokens and keys, on both databases."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from backend.accounts import passwords, service, tokens
from backend.accounts.guard import Guard, check_door
from backend.accounts.roles import Actor, Role
from backend.accounts.tables import Token, User
from backend.audit.schemas import AuditFilter
from backend.audit.service import all_lines
from backend.database import Database
from backend.errors import (
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotKnown,
    SetupError,
    TooMany,
)
from backend.settings import Settings
from tests.conftest import MovableClock

PASSWORD = "correct horse battery"
HERE = "192.0.2.7"


@pytest.fixture(scope="module")
def password_hash() -> str:
    return passwords.hashed(PASSWORD)


@pytest.fixture
def people(database: Database, password_hash: str) -> Database:
    """Ann is an admin, Mia a manager, Sue a shopper."""
    with database.write() as session:
        for name, role in (("ann", "admin"), ("mia", "manager"), ("sue", "shopper")):
            service.add(session, name, role, password_hash, "local")  # type: ignore[arg-type]
    return database


@pytest.fixture
def guard(people: Database) -> Guard:
    return Guard(Settings(), people)


def change(database: Database, name: str, **changes: object) -> None:
    with database.write() as session:
        service.change(session, name, "ann", **changes)  # type: ignore[arg-type]


# --- users


def test_the_first_user_is_an_admin(database, password_hash):
    with database.write() as session, pytest.raises(Conflict, match="add an admin first"):
        service.add(session, "mia", "manager", password_hash, "local")


def test_a_name_is_given_once_however_it_is_written(people, password_hash):
    with people.write() as session:
        with pytest.raises(Conflict, match="There is a user ann already"):
            service.add(session, "ann", "admin", password_hash, "local")
        assert service.named(session, " ANN ").name == "ann"
        with pytest.raises(Conflict, match="local stands for what no user did"):
            service.add(session, "local", "admin", password_hash, "local")
        with pytest.raises(NotFound, match="There is no user bob"):
            service.named(session, "bob")


def test_users_are_listed_by_name_page_by_page(people):
    with people.read() as session:
        first = service.list_users(session, limit=2)
        second = service.list_users(session, limit=2, cursor=first.next_cursor)
        with pytest.raises(InvalidInput, match="cursor"):
            service.list_users(session, cursor="what")
    assert [user.name for user in (*first.items, *second.items)] == ["ann", "mia", "sue"]
    assert (first.total, second.next_cursor) == (3, None)


@pytest.mark.parametrize("wanted", [{"role": "manager"}, {"disabled": True}])
def test_the_last_admin_stays(people, wanted):
    with pytest.raises(Conflict, match="ann is the last admin who can log in"):
        change(people, "ann", **wanted)
    change(people, "mia", role="admin")
    change(people, "ann", **wanted)
    with pytest.raises(Conflict, match="mia is the last admin"):
        change(people, "mia", **wanted)


def test_a_disabled_admin_does_not_count(people):
    change(people, "mia", role="admin", disabled=True)
    with pytest.raises(Conflict, match="last admin"):
        change(people, "ann", disabled=True)


def test_of_two_admins_who_put_out_each_other_one_stays(people):
    change(people, "mia", role="admin")
    barrier, refused = threading.Barrier(2), []

    def put_out(name: str) -> None:
        barrier.wait()
        try:
            change(people, name, disabled=True)
        except Conflict as error:
            refused.append(error)

    threads = [threading.Thread(target=put_out, args=(name,)) for name in ("ann", "mia")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    with people.read() as session:
        assert service.any_admin(session)


def test_every_change_is_in_the_audit_log_without_the_password(people, password_hash):
    change(people, "mia", role="shopper", password_hash=password_hash)
    line = next(all_lines(people, AuditFilter()))
    assert (line.actor, line.action, line.label) == ("ann", "user.update", "mia")
    assert line.before == {"role": "manager", "password": "old"}
    assert line.after == {"role": "shopper", "password": "new"}


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


# --- guessing


def fail(guard: Guard, name: str, address: str = HERE) -> int:
    """The seconds to wait; 0 where the password was looked at."""
    try:
        guard.log_in(name, "wrong", address)
    except TooMany as error:
        return error.seconds
    except NotKnown:
        return 0
    raise AssertionError("it let in")


@pytest.fixture
def quick(monkeypatch):
    """Passwords that cost nothing: what is counted is attempts."""
    monkeypatch.setattr(passwords, "fits", lambda given, known: bool(known) and given == PASSWORD)


@pytest.mark.usefixtures("quick")
def test_guessing_one_name_is_slowed_down_twice_as_much_each_time(guard, clock: MovableClock):
    assert [fail(guard, "mia") for _ in range(6)] == [0] * 5 + [1]
    waits = []
    for _ in range(10):
        waits.append(fail(guard, "mia"))
        clock.advance(waits[-1])
        assert fail(guard, "mia") == 0
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    with pytest.raises(TooMany, match=r"wait 300 seconds"):
        guard.log_in("mia", PASSWORD, HERE)
    guard.log_in("ann", PASSWORD, HERE)
    clock.advance(300)
    guard.log_in("mia", PASSWORD, HERE)
    assert fail(guard, "mia") == 0


@pytest.mark.usefixtures("quick", "clock")
def test_a_stranger_elsewhere_locks_nobody_out(guard):
    for _ in range(6):
        fail(guard, "mia", "198.51.100.1")
    assert fail(guard, "mia", "198.51.100.1") > 0
    guard.log_in("mia", PASSWORD, HERE)


@pytest.mark.usefixtures("quick", "clock")
def test_guessing_one_name_from_many_addresses_is_slowed_down_much_later(guard):
    asked = [fail(guard, "mia", f"198.51.{n // 4}.1") for n in range(202)]
    assert asked == [0] * 200 + [1, 1]
    assert fail(guard, "ann", "203.0.113.1") == 0


@pytest.mark.usefixtures("quick", "clock")
def test_a_new_password_lets_in_who_had_to_wait(guard, people, password_hash):
    for name in ("mia", "sue"):
        for _ in range(5):
            fail(guard, name)
        assert fail(guard, name) == 1
    change(people, "mia", password_hash=password_hash)
    guard.log_in("mia", PASSWORD, HERE)
    assert fail(guard, "sue") == 1


@pytest.mark.usefixtures("quick", "clock")
def test_addresses_of_one_ipv6_network_are_one(guard):
    assert [fail(guard, f"name-{n}", f"2001:db8::{n:x}") for n in range(21)] == [0] * 20 + [1]
    assert fail(guard, "name-22", "2001:db8:0:1::1") == 0


@pytest.mark.usefixtures("quick", "clock")
def test_who_has_to_wait_is_told_without_counting(guard):
    guard.check_attempts("mia", HERE)
    for _ in range(5):
        fail(guard, "mia")
    for _ in range(3):
        with pytest.raises(TooMany, match="wait 1 seconds"):
            guard.check_attempts(" MIA ", HERE)
    guard.check_attempts("mia", "203.0.113.9")


@pytest.mark.usefixtures("quick")
def test_guessing_many_names_from_one_address_is_slowed_down(guard, clock: MovableClock):
    assert [fail(guard, f"name-{n}") for n in range(21)] == [0] * 20 + [1]
    assert fail(guard, "name-22", "203.0.113.9") == 0
    clock.advance(901)
    assert fail(guard, "name-23") == 0


@pytest.mark.usefixtures("quick", "clock")
def test_one_password_of_one_s_own_buys_no_guesses_of_others(guard):
    for n in range(19):
        assert fail(guard, f"name-{n}") == 0
        guard.log_in("sue", PASSWORD, HERE)
    assert fail(guard, "name-19") == 0
    assert fail(guard, "name-20") == 1


@pytest.mark.usefixtures("quick", "clock")
def test_replicas_count_together_and_at_the_same_time(people):
    guards = [Guard(Settings(), people) for _ in range(2)]
    looked_at: list[int] = []

    def guess(guard: Guard) -> None:
        looked_at.extend(fail(guard, "mia") for _ in range(5))

    threads = [threading.Thread(target=guess, args=(guard,)) for guard in guards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert looked_at.count(0) == 5


# --- keys


ANN = Actor("ann", "admin", "?")


def key(database: Database, name: str, role: Role, actor: Actor = ANN) -> tuple[str, str]:
    with database.write() as session:
        user = service.named(session, name)
        made, secret = tokens.create_key(
            session,
            user,
            "till",
            role,
            timedelta(days=1),
            actor,
        )
        return made.id, secret


def test_a_key_acts_for_its_user_with_at_most_its_role(guard, people):
    _, secret = key(people, "mia", "shopper")
    actor = guard.actor_of_token(secret)
    assert (actor.name, actor.role, actor.by_key) == ("mia/till", "shopper", True)
    change(people, "mia", disabled=True)
    with pytest.raises(NotKnown):
        guard.actor_of_token(secret)


def test_a_key_is_never_more_than_its_user(guard, people):
    with pytest.raises(NotAllowed, match="mia is a manager and cannot have a key with the role"):
        key(people, "mia", "admin")
    _, secret = key(people, "mia", "manager")
    change(people, "mia", role="shopper")
    assert guard.actor_of_token(secret).role == "shopper"


def test_a_key_makes_no_keys(people):
    with pytest.raises(NotAllowed, match="cannot make another key"):
        key(people, "mia", "shopper", Actor("mia/till", "manager", "?", by_key=True))


def test_a_revoked_key_is_over_and_only_its_user_or_an_admin_revokes_it(guard, people):
    key_id, secret = key(people, "mia", "shopper")
    sue = guard.actor_of_token(guard.log_in("sue", PASSWORD, HERE).token)
    mia = guard.actor_of_token(guard.log_in("mia", PASSWORD, HERE).token)
    with people.write() as session, pytest.raises(NotFound, match="There is no key"):
        tokens.delete_key(session, key_id, sue)
    with people.write() as session:
        tokens.delete_key(session, key_id, mia)
    with pytest.raises(NotKnown):
        guard.actor_of_token(secret)
    actions = [line.action for line in all_lines(people, AuditFilter(subject_kind="key"))]
    assert actions == ["key.revoke", "key.create"]


def test_one_sees_one_s_own_keys_and_an_admin_everybody_s(guard, people, clock: MovableClock):
    for name in ("mia", "sue", "mia"):
        clock.advance(1)
        key(people, name, "shopper")
    mia = guard.actor_of_token(guard.log_in("mia", PASSWORD, HERE).token)
    with people.read() as session:
        own = tokens.list_keys(session, mia)
        first = tokens.list_keys(session, ANN, limit=2)
        rest = tokens.list_keys(session, ANN, limit=2, cursor=first.next_cursor)
    assert [one.user for one in own.items] == ["mia", "mia"]
    assert [one.user for one in (*first.items, *rest.items)] == ["mia", "sue", "mia"]
    assert (first.total, rest.next_cursor) == (3, None)


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
