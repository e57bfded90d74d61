"""`akin login`, `akin logout` and `akin keys`: who one is for a server that asks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.markup import escape
from rich.table import Table

from backend import logins
from backend.client import AkinClient, ApiError
from backend.commands.terminal import AsJson, Url, address_of, connect, err, out, print_json

if TYPE_CHECKING:
    from backend.accounts.roles import Role
    from backend.accounts.schemas import KeyOut
    from backend.paging import Page

_AT_ONCE = 200  # as many as the server gives

PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password's line from standard input.")
]


def read_password(from_stdin: bool, *, new: bool) -> str:
    """The password, asked for without showing it; a new one twice."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    asked = "New password" if new else "Password"
    return str(typer.prompt(asked, hide_input=True, confirmation_prompt=new, err=True))


def login(
    name: Annotated[str | None, typer.Argument(help="Asked for if it is left away.")] = None,
    password_stdin: PasswordStdin = False,
    url: Url = None,
) -> None:
    """Log in to a server; the commands that follow are yours there for seven days."""
    where = address_of(url)
    name = name or str(typer.prompt("Name", err=True))
    password = read_password(password_stdin, new=False)
    with AkinClient(where) as client:
        entered = client.log_in(name, password)
    path = logins.keep(where, entered.token)
    _tell(f"You are {entered.name} ({entered.role}) at {where}; the token is in {path}.")


def logout(url: Url = None) -> None:
    """End the login to a server; a key in AKIN_TOKEN stays, to be revoked."""
    where = address_of(url)
    token = logins.kept(where)
    if token is None:
        _tell(f"There is no login to {where} to end.")
    else:
        _end(where, token)
        logins.keep(where, None)
        _tell(f"You are logged out of {where}.")
    if logins.given() is not None:
        _tell("AKIN_TOKEN is still set: the commands that follow show it to the server.")


def _end(where: str, token: str) -> None:
    """Make the token worth nothing, if it is not so already."""
    with AkinClient(where, token=token) as client:
        try:
            client.log_out()
        except ApiError as error:
            if error.status != 401:
                raise


keys = typer.Typer(no_args_is_help=True, help="Keys, with which machines come in.")


@keys.command("list")
def list_keys(
    limit: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 50,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Your keys, newest first; an admin sees everybody's."""
    with connect(url) as client:
        page = _keys(client, limit)
    if as_json:
        print_json(page)
        return
    table = Table("id", "user", "for", "role", "until", "last used")
    for key in page.items:
        used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"
        shown = (key.id, key.user, key.label, key.role, f"{key.expires_at:%Y-%m-%d}", used)
        table.add_row(*map(escape, shown))
    out.print(table)
    if page.next_cursor is not None:
        _tell(f"{len(page.items):,} of {page.total:,}: -n {page.total} shows all.")


def _keys(client: AkinClient, limit: int) -> Page[KeyOut]:
    page = client.keys(limit=min(limit, _AT_ONCE))
    while page.next_cursor is not None and (left := limit - len(page.items)) > 0:
        more = client.keys(cursor=page.next_cursor, limit=min(left, _AT_ONCE))
        page = more.model_copy(update={"items": [*page.items, *more.items]})
    return page


@keys.command("add")
def add_key(
    label: Annotated[str, typer.Argument(help="What it is for: till 3.")],
    role: Annotated[str | None, typer.Option(help="At most this role; yours by default.")] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it works.")] = 365,
    user: Annotated[str | None, typer.Option(help="For admins: whose key it is.")] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Make a key; it is shown this once. A machine has it in AKIN_TOKEN."""
    with connect(url) as client:
        key = client.add_key(label, role=cast("Role | None", role), days=days, user=user)
    if as_json:
        print_json(key)
        return
    typer.echo(key.token)
    _tell(f"This is shown once. {key.label} may come in as {key.role} until {key.expires_at:%F}.")


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="As `akin keys list` shows it.")], url: Url = None
) -> None:
    """Take a key back, at once."""
    with connect(url) as client:
        client.revoke_key(key_id)
    _tell(f"The key {key_id} works no longer.")


def _tell(sentence: str) -> None:
    err.print(sentence, markup=False, highlight=False, soft_wrap=True)
