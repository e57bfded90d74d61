"""Who may come in: whether people have to log in here, and whether anybody can."""

from __future__ import annotations

from contextlib import closing

from backend.diagnosis.finding import Doubtful
from backend.errors import SetupError
from backend.settings import LOOPBACK, Settings

NOBODY_YET = "there are no tables yet to hold any."


def accounts(settings: Settings) -> str:
    """Raises SetupError where people have to log in and nobody can see to that."""
    from sqlalchemy import inspect

    from backend.accounts.service import counts
    from backend.database import Database

    if settings.embedded and not settings.database_url and not _has_file(settings):
        return _without(settings, NOBODY_YET)
    with closing(Database(settings.sql_url, settings.database_pool)) as database:
        database.ping()
        if not inspect(database.engine).has_table("users"):
            return _without(settings, NOBODY_YET)
        with database.read() as session:
            users, admins = counts(session)
    return _with(users, admins) if users else _without(settings, "there is no user.")


def _has_file(settings: Settings) -> bool:
    return (settings.home / "akin.sqlite3").exists()


def _with(users: int, admins: int) -> str:
    if not admins:
        raise SetupError(_NO_ADMIN)
    people = "1 user" if users == 1 else f"{users:,} users"
    who = "an admin" if admins == 1 else f"{admins:,} admins"
    return f"on: {people}, {who} among them."


def _without(settings: Settings, why: str) -> str:
    from backend.accounts.guard import demanded, no_admin

    if demanded(settings):  # the start would be refused
        raise no_admin(settings)
    if settings.host not in LOOPBACK and settings.allow_open:
        return Doubtful(
            f"open: whoever reaches {settings.host} is an admin (AKIN_ALLOW_OPEN): add one with "
            "`akin users add NAME --role admin`, or let only people in whom you trust with it all."
        )
    return f"off, {why} Whoever is at this machine is the admin."


_NO_ADMIN = (
    "Accounts are on and no admin can log in: add one with `akin users add NAME --role admin`."
)
