"""Who is asking, and what their role permits. Without accounts everybody is the local admin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from anyio import to_thread
from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from backend.accounts.roles import LOCAL_ADMIN, RANK, Actor, Role
from backend.accounts.signing import SIGNER
from backend.errors import NotAllowed, NotKnown

if TYPE_CHECKING:
    from backend.accounts.guard import Guard
    from backend.rate_limits import RateLimits

__all__ = ["LOCAL_ADMIN", "RANK", "Actor", "Role", "current_actor", "require"]

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="Of a login (`POST /v1/login`) or a key (`POST /v1/keys`), where accounts are on.",
)


async def current_actor(
    request: Request, _: HTTPAuthorizationCredentials | None = Security(_bearer)
) -> Actor:
    """The actor of this request, as `actor_of` knows them; asked for once."""
    known: Actor | None = getattr(request.state, "actor", None)
    return known or await actor_of(request)


async def actor_of(request: Request) -> Actor:
    """Who asks, by the headers and the address of a request.

    Raises:
        NotKnown: where accounts are on and it carries neither a valid token nor a valid link.
        TooMany: where too many of those came from this address.
    """
    guard: Guard = request.app.state.runtime.guard
    # To a thread only for what may wait for SQL.
    on = await to_thread.run_sync(guard.look) if guard.is_stale else guard.on
    if not on:
        SIGNER.set(None)
        return LOCAL_ADMIN
    SIGNER.set(guard.signer or await to_thread.run_sync(guard.load_signer))
    limits: RateLimits = request.app.state.rate_limits
    limits.check_stranger(request)
    actor = await _known(request, guard)
    limits.no_stranger(request)
    return actor


async def _known(request: Request, guard: Guard) -> Actor:
    credentials = await _bearer(request)
    if credentials is not None:
        return await to_thread.run_sync(guard.actor_of_token, credentials.credentials)
    if request.method in {"GET", "HEAD"} and "signature" in request.query_params:
        path, query = request.url.path, request.url.query
        return await to_thread.run_sync(guard.actor_of_link, path, query)
    raise NotKnown(
        "This server wants to know who you are: log in (`akin login`), or send a key as "
        "`Authorization: Bearer KEY`."
    )


def require(role: Role) -> Callable[[Actor], Awaitable[Actor]]:
    """A dependency that lets in actors of at least this role.

    Raises:
        NotAllowed: for anybody else.
    """

    async def check(actor: Actor = Depends(current_actor)) -> Actor:
        if RANK[actor.role] < RANK[role]:
            raise NotAllowed(
                f"This needs the role {role} and {actor.name} is a {actor.role}: "
                "ask an admin for it."
            )
        return actor

    return check
