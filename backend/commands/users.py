"""`akin users`: straight on the database of the settings, so that the first admin can be added
before the first start, and by nobody who is not on the server itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from rich.markup import escape
from rich.table import Table

from backend.accounts.roles import LOCAL_ADMIN, Role
from backend.accounts.schemas import UserChange, UserCreate, UserOut
from backend.commands.login import PasswordStdin, read_password
from backend.commands.terminal import AsJson, err, out, print_json
from backend.errors import InvalidInput
from backend.settings import read_settings

if TYPE_CHECKING:
    from backend.database import Database

app = typer.Typer(
    no_args_is_help=True, help="Users; to be run on the server itself, with its settings."
)

Home = Annotated[Path | None, typer.Option("--home", help="The data folder.")]
Name = Annotated[str, typer.Argument(help="The user's name.")]
RoleName = Annotated[str, typer.Option("--role", help="shopper, manager or admin.")]


@app.command()
def add(
    name: Name, role: RoleName, password_stdin: PasswordStdin = False, home: Home = None
) -> None:
    """Add a user; the first one has to be an admin."""
    from backend.accounts import passwords, service

    checked = _new(name, role, "a password to come")  # before anybody types one
    checked = _new(name, role, read_password(password_stdin, new=True))
    password_hash = passwords.hashed(checked.password.get_secret_value())
    with _database(home) as database, database.write() as session:
        service.add(session, checked.name, checked.role, password_hash, LOCAL_ADMIN.name)
    _tell(f"{checked.name} can log in as {checked.role}.")


@app.command("list")
def list_users(home: Home = None, as_json: AsJson = False) -> None:
    """All users, by name."""
    from backend.accounts import service

    users: list[UserOut] = []
    with _database(home) as database, database.read() as session:
        page = service.list_users(session, limit=200)
        users += page.items
        while page.next_cursor is not None:
            page = service.list_users(session, limit=200, cursor=page.next_cursor)
            users += page.items
    if as_json:
        print_json([user.model_dump(mode="json") for user in users])
        return
    table = Table("name", "role", "", "last used")
    for user in users:
        used = f"{user.last_used_at:%Y-%m-%d %H:%M}" if user.last_used_at else "never"
        shown = (user.name, user.role, "disabled" if user.disabled else "", used)
        table.add_row(*map(escape, shown))
    out.print(table)


@app.command()
def role(
    name: Name,
    wanted: Annotated[str, typer.Argument(metavar="ROLE", help="shopper, manager or admin.")],
    home: Home = None,
) -> None:
    """Give a user another role."""
    user = _change(name, home, role=_role(wanted))
    _tell(f"{user.name} is a {user.role} from now on.")


@app.command()
def disable(name: Name, home: Home = None) -> None:
    """Keep a user out, with every login and key, until enabled again."""
    user = _change(name, home, disabled=True)
    _tell(f"{user.name} can come in no longer.")


@app.command()
def enable(name: Name, home: Home = None) -> None:
    """Let a user in again."""
    user = _change(name, home, disabled=False)
    _tell(f"{user.name} can log in again.")


@app.command()
def password(name: Name, password_stdin: PasswordStdin = False, home: Home = None) -> None:
    """Give a user a new password; every login of theirs ends."""
    from backend.accounts import passwords

    given = read_password(password_stdin, new=True)
    try:
        UserChange.model_validate({"password": given})
    except ValidationError as error:
        raise _mistake(error) from error
    user = _change(name, home, password_hash=passwords.hashed(given))
    _tell(f"{user.name} has a new password.")


def _change(
    name: str,
    home: Path | None,
    *,
    role: Role | None = None,
    disabled: bool | None = None,
    password_hash: str | None = None,
) -> UserOut:
    from backend.accounts import service

    with _database(home) as database, database.write() as session:
        return service.change(
            session,
            name,
            LOCAL_ADMIN.name,
            role=role,
            disabled=disabled,
            password_hash=password_hash,
        )


@contextmanager
def _database(home: Path | None) -> Iterator[Database]:
    """The database of the settings, with tables of this version."""
    from backend.database import open_database
    from backend.migrating import check, is_new, upgrade

    settings = read_settings(home=home)
    with closing(open_database(settings)) as database:
        if settings.embedded or is_new(database):  # before the first start
            upgrade(database)
        else:
            check(database)
        yield database


def _new(name: str, role: str, password: str) -> UserCreate:
    try:
        return UserCreate.model_validate({"name": name, "role": role, "password": password})
    except ValidationError as error:
        raise _mistake(error) from error


def _role(wanted: str) -> Role:
    try:
        found = UserChange.model_validate({"role": wanted}).role
    except ValidationError as error:
        raise _mistake(error) from error
    assert found is not None  # noqa: S101 - one was given
    return found


def _mistake(error: ValidationError) -> InvalidInput:
    """What of name, role and password does not fit, without showing a password."""
    first = error.errors()[0]
    told = {
        "name": "The name has to be letters, digits and . _ @ + - only, at most 60: give another.",
        "role": "There are the roles shopper, manager and admin: give one of these.",
        "password": "A password has 10 to 200 characters: take a longer or shorter one.",
    }
    return InvalidInput(told[str(first["loc"][0])])


def _tell(sentence: str) -> None:
    err.print(sentence, markup=False, highlight=False, soft_wrap=True)
