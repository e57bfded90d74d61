"""Accounts over HTTP: log in and out, one's password, keys for machines, users for admins."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, cast

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Query, Request

from backend.accounts import passwords, service, tokens
from backend.accounts.actor import Actor, require
from backend.accounts.roles import Role
from backend.accounts.schemas import (
    KeyCreate,
    KeyOut,
    Link,
    LinkWanted,
    LoggedIn,
    Login,
    Me,
    NewKey,
    PasswordChange,
    UserChange,
    UserCreate,
    UserOut,
)
from backend.accounts.tables import User
from backend.dependencies import get_runtime
from backend.errors import Conflict, InvalidInput, NotAllowed, NotKnown
from backend.paging import Page
from backend.problems import PROBLEM_RESPONSES
from backend.runtime import Runtime

log = structlog.get_logger()

_PLACE: dict[str, Any] = {
    "prefix": "/v1",
    "tags": ["accounts"],
    "responses": {status: PROBLEM_RESPONSES[status] for status in (401, 403, 404, 409, 422)},
}
door = APIRouter(**_PLACE)
"""The one route for whom nobody knows yet; the limit of its rate goes by the address."""
router = APIRouter(**_PLACE)
_SHOPPER, _ADMIN = Depends(require("shopper")), Depends(require("admin"))
_SLOWED: dict[int | str, dict[str, Any]] = {429: PROBLEM_RESPONSES[429]}
_NO_ACCOUNTS = (
    "There are no accounts here, so nobody has a password: add the first user with "
    "`akin users add NAME --role admin`."
)
_WRONG_OLD = "The old password is not the right one: type it again, or ask an admin for a new one."
_hashing = CapacityLimiter(2)  # each takes 64 MB and all of a processor
Cursor = Annotated[str | None, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=200)]

_DOWNLOADS = re.compile(
    r"/v1/(audit\.csv|catalogue/export\.(zip|jsonl)|triplets/export|models/[\w-]+/artefact|"
    r"jobs/[\w-]+/items\.csv|blobs/[0-9a-f]{64})(\?.*)?",
    re.ASCII,
)


def _refuse_keys(actor: Actor, what: str) -> None:
    """One that leaked could else make itself a way in that outlives its being revoked."""
    if actor.by_key:
        raise NotAllowed(f"A key cannot {what}: log in with name and password.")


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


@door.post("/login", summary="Log in", responses=_SLOWED)
async def login(
    asked: Login, request: Request, runtime: Runtime = Depends(get_runtime)
) -> LoggedIn:
    """A token for a name and a password, good for seven days.

    Failed logins slow down the next ones: of the same name from the same address, and either.
    """
    address = _address(request)

    await to_thread.run_sync(runtime.guard.check_attempts, asked.name, address)

    def enter() -> LoggedIn:
        return runtime.guard.log_in(asked.name, asked.password.get_secret_value(), address)

    entered = await to_thread.run_sync(enter, limiter=_hashing)
    log.info("logged in", user=entered.name, address=address)
    return entered


@router.post("/logout", status_code=204, summary="Log out")
def logout(actor: Actor = _SHOPPER, runtime: Runtime = Depends(get_runtime)) -> None:
    """The token of this request is worth nothing from now on. A key stays: it is revoked."""
    if actor.token_id is not None and not actor.by_key:
        with runtime.database.write() as session:
            tokens.revoke(session, actor.token_id)


@router.get("/me", summary="Who am I")
def me(actor: Actor = _SHOPPER, runtime: Runtime = Depends(get_runtime)) -> Me:
    """The sender as this server knows it."""
    return Me(name=actor.name, role=actor.role, accounts=runtime.guard.on)


@router.post("/me/password", status_code=204, summary="Change one's password", responses=_SLOWED)
async def change_password(
    change: PasswordChange,
    request: Request,
    actor: Actor = _SHOPPER,
    runtime: Runtime = Depends(get_runtime),
) -> None:
    """Ends all other logins of the same user. The old password is asked for, so that nobody who
    finds an open screen can take the account."""
    _refuse_keys(actor, "change a password")
    if not runtime.guard.on:
        raise NotAllowed(_NO_ACCOUNTS)
    address = _address(request)
    await to_thread.run_sync(runtime.guard.check_attempts, actor.name, address)

    old, new = change.old.get_secret_value(), change.new.get_secret_value()

    def renew() -> None:
        try:
            proven = runtime.guard.check_password(actor.name, old, address)
            fresh = passwords.hashed(new)
            with runtime.database.write() as session:
                service.change(
                    session,
                    actor.name,
                    actor.name,
                    password_hash=fresh,
                    keep=actor.token_id,
                    proven=proven,
                )
        except NotKnown as error:
            # Who asks is known: to a 401 programs answer by throwing a good token away.
            raise NotAllowed(_WRONG_OLD) from error

    await to_thread.run_sync(renew, limiter=_hashing)


@router.get("/users", summary="List the users", dependencies=[_ADMIN])
def list_users(
    cursor: Cursor = None, limit: Limit = 50, runtime: Runtime = Depends(get_runtime)
) -> Page[UserOut]:
    """One page of the users, by name."""
    with runtime.database.read() as session:
        return service.list_users(session, cursor=cursor, limit=limit)


@router.post("/users", status_code=201, summary="Add a user")
async def add_user(
    new: UserCreate, actor: Actor = _ADMIN, runtime: Runtime = Depends(get_runtime)
) -> UserOut:
    """The first one has to be an admin; from then on everybody has to log in."""
    _refuse_keys(actor, "add a user")

    def add() -> UserOut:
        password_hash = passwords.hashed(new.password.get_secret_value())
        with runtime.database.write() as session:
            return service.add(session, new.name, new.role, password_hash, actor.name)

    added = await to_thread.run_sync(add, limiter=_hashing)
    runtime.guard.turn_on()
    return added


@router.patch("/users/{name}", summary="Change a user")
async def change_user(
    name: str, change: UserChange, actor: Actor = _ADMIN, runtime: Runtime = Depends(get_runtime)
) -> UserOut:
    """Another role, in or out, another password. One admin who can log in is always left."""
    _refuse_keys(actor, "change a user")

    def renew() -> UserOut:
        password = change.password
        fresh = None if password is None else passwords.hashed(password.get_secret_value())
        with runtime.database.write() as session:
            return service.change(
                session,
                name,
                actor.name,
                role=change.role,
                disabled=change.disabled,
                password_hash=fresh,
                keep=actor.token_id,
            )

    return await to_thread.run_sync(renew, limiter=_hashing)


@router.get("/keys", summary="List the keys")
def list_keys(
    actor: Actor = _SHOPPER,
    cursor: Cursor = None,
    limit: Limit = 50,
    runtime: Runtime = Depends(get_runtime),
) -> Page[KeyOut]:
    """One page of keys, newest first: admins see everybody's, others their own."""
    with runtime.database.read() as session:
        return tokens.list_keys(session, actor, cursor=cursor, limit=limit)


@router.post("/keys", status_code=201, summary="Make a key for a machine")
def create_key(
    new: KeyCreate, actor: Actor = _SHOPPER, runtime: Runtime = Depends(get_runtime)
) -> NewKey:
    """The answer holds the key, which is shown this once only."""
    if new.user is not None and actor.role != "admin":
        raise NotAllowed("Only an admin makes keys for others: leave the user away for your own.")
    with runtime.database.write() as session:
        own = session.get(User, actor.user_id) if actor.user_id else None
        user = service.named(session, new.user) if new.user else own
        if user is None:
            raise Conflict("A key belongs to a user, and you are none: name one.")
        role = new.role or cast(Role, user.role)
        lasting = timedelta(days=new.days)
        key, secret = tokens.create_key(session, user, new.label, role, lasting, actor)
        return NewKey(**key.model_dump(), token=secret)


@router.delete("/keys/{key_id}", status_code=204, summary="Revoke a key")
def delete_key(
    key_id: str, actor: Actor = _SHOPPER, runtime: Runtime = Depends(get_runtime)
) -> None:
    """It works no longer from now on. Admins revoke anybody's, others their own."""
    with runtime.database.write() as session:
        tokens.delete_key(session, key_id, actor)


@router.post("/links", summary="A link to a download for a browser")
def link(
    wanted: LinkWanted,
    actor: Actor = _SHOPPER,
    runtime: Runtime = Depends(get_runtime),
) -> Link:
    """A browser opens a link without a token: this one carries a signature, for an hour, and
    permits what the sender may do."""
    if not _DOWNLOADS.fullmatch(wanted.path):
        raise InvalidInput(f"{wanted.path[:200]} is no download: see /docs for those there are.")
    if not runtime.guard.on or actor.user_id is None:
        return Link(path=wanted.path)
    signer = runtime.guard.load_signer()
    return Link(path=signer.download(wanted.path, actor.user_id, actor.role))
