"""What two do to one account, or from one address, at the same moment, on PostgreSQL, which lets
them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend import clock
from backend.accounts import service, throttle, tokens
from backend.accounts.guard import Guard
from backend.accounts.tables import LoginFailures
from backend.database import Database
from backend.errors import Conflict, NotKnown
from backend.settings import Settings
from tests.backend.accounts.site import HERE, PASSWORD
from tests.locks import wait_for

pytestmark = pytest.mark.services


@pytest.fixture
def people(postgres_database: Database, password_hash: str) -> Database:
    """Ann is an admin, Mia a manager."""
    with postgres_database.write() as session:
        service.add(session, "ann", "admin", password_hash, "local")
        service.add(session, "mia", "manager", password_hash, "local")
    return postgres_database


@pytest.fixture
def guard(people: Database) -> Guard:
    return Guard(Settings(), people)


def committed(people: Database, work: Callable[..., object], *given: object) -> None:
    """Work in a transaction of its own, for a thread beside the test's."""
    with people.write() as session:
        work(session, *given)


def test_a_login_waits_for_who_disables_its_user(people: Database, guard: Guard) -> None:
    with ThreadPoolExecutor(1) as pool:
        with people.write() as session:
            service.change(session, "mia", "ann", disabled=True)
            login = pool.submit(guard.log_in, "mia", PASSWORD, HERE)
            wait_for(people, 1)
        with pytest.raises(NotKnown, match="do not fit"):
            login.result(60)


def test_of_two_who_add_one_name_the_second_is_told(people: Database, password_hash: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        with people.write() as session:
            service.add(session, "bob", "manager", password_hash, "ann")
            second = pool.submit(
                committed, people, service.add, "bob", "shopper", password_hash, "ann"
            )
            wait_for(people, 1)
        with pytest.raises(Conflict, match="There is a user bob already"):
            second.result(60)
    with people.read() as session:
        assert service.named(session, "bob").role == "manager"


def test_a_request_is_answered_though_its_token_is_revoked_while_its_use_is_noted(
    people: Database, guard: Guard
) -> None:
    """It began before that: the next one is refused."""
    token = guard.log_in("mia", PASSWORD, HERE).token
    with ThreadPoolExecutor(1) as pool:
        with people.write() as session:
            mia = service.named(session, "mia")
            tokens.revoke_logins(session, mia.id)
            asked = pool.submit(guard.actor_of_token, token)
            wait_for(people, 1)
        assert asked.result(60).name == "mia"
    with pytest.raises(NotKnown, match="log in again"):
        guard.actor_of_token(token)


# --- counting failed logins

AGO = timedelta(hours=1)


def counted(database: Database, *attempts: tuple[str, str]) -> None:
    """Failed logins of names from addresses, an hour ago."""
    with database.write() as session:
        for name, address in attempts:
            throttle.count_attempt(session, name, address)
        for row in session.scalars(select(LoginFailures)):
            row.last_at -= AGO


def hold(session: Session, kind: str, name: str = "mia") -> None:
    subject = throttle._subjects(name, HERE)[kind]
    session.get_one(LoginFailures, subject, with_for_update=True)


def test_a_success_and_another_attempt_from_there_wait_for_each_other_only_once(
    people: Database,
) -> None:
    """The success forgets what is old, and the attempt holds a row of that while it waits."""
    counted(people, ("mia", HERE), ("ann", HERE))

    with ThreadPoolExecutor(2) as pool:
        with people.write() as session:
            hold(session, "address")
            done = []
            for work, name in ((throttle.succeeded, "mia"), (throttle.count_attempt, "ann")):
                done.append(pool.submit(committed, people, work, name, HERE))
                wait_for(people, len(done))
        for one in done:
            one.result(60)


@pytest.mark.parametrize(
    "forgetting",
    [
        lambda session: throttle.succeeded(session, "mia", HERE),
        lambda session: throttle.forget(session, "mia"),
    ],
    ids=["a success", "a new password"],
)
def test_who_forgets_failures_waits_for_the_name_before_holding_anything(
    people: Database, forgetting: Callable[[Session], None]
) -> None:
    """As an attempt does: else each would hold what the other waits for."""
    with people.write() as session:  # the name's own comes after that of both
        for subject in sorted(throttle._subjects("mia", HERE).values()):
            session.add(LoginFailures(subject=subject, failures=1, last_at=clock.now()))
            session.flush()

    with ThreadPoolExecutor(1) as pool:
        with people.write() as session:
            hold(session, "name")
            done = pool.submit(committed, people, forgetting)
            wait_for(people, 1)
            with people.read() as other:
                free = select(LoginFailures).with_for_update(skip_locked=True)
                assert len(other.scalars(free).all()) == 2  # all but the name's
        done.result(60)


def test_an_attempt_that_waited_for_what_a_success_forgets_is_counted_anew(
    people: Database,
) -> None:
    counted(people, ("mia", HERE))

    with ThreadPoolExecutor(1) as pool:
        with people.write() as session:
            hold(session, "name")
            waiting = pool.submit(committed, people, throttle.count_attempt, "mia", HERE)
            wait_for(people, 1)
            throttle.succeeded(session, "mia", HERE)
        waiting.result(60)
    with people.read() as session:
        assert set(session.scalars(select(LoginFailures.failures))) == {1}
