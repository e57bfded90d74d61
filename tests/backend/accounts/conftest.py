"""Accounts with three users; the whole API over them, or only the guard."""

from __future__ import annotations

import pytest

from backend.accounts import passwords, service
from backend.accounts.guard import Guard
from backend.database import Database
from backend.runtime import Runtime
from backend.settings import Settings
from tests.backend.accounts.site import PASSWORD, Site


@pytest.fixture
def site(runtime: Runtime) -> Site:
    return Site(runtime)


@pytest.fixture(scope="session")
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
