"""What two do to the same account at the same moment, on PostgreSQL, which lets them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from backend.accounts import service
from backend.accounts.guard import Guard
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


def test_a_login_waits_for_who_disables_its_user(people: Database, guard: Guard) -> None:
    with ThreadPoolExecutor(1) as pool:
        with people.write() as session:
            service.change(session, "mia", "ann", disabled=True)
            login = pool.submit(guard.log_in, "mia", PASSWORD, HERE)
            wait_for(people, 1)
        with pytest.raises(NotKnown, match="do not fit"):
            login.result(60)


def test_of_two_who_add_one_name_the_second_is_told(people: Database, password_hash: str) -> None:
    def add() -> None:
        with people.write() as session:
            service.add(session, "bob", "shopper", password_hash, "ann")

    with ThreadPoolExecutor(1) as pool:
        with people.write() as session:
            service.add(session, "bob", "manager", password_hash, "ann")
            second = pool.submit(add)
            wait_for(people, 1)
        with pytest.raises(Conflict, match="There is a user bob already"):
            second.result(60)
    with people.read() as session:
        assert service.named(session, "bob").role == "manager"
