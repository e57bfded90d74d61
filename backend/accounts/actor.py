"""Who is asking, and what their role permits. Without accounts everybody is the local admin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from fastapi import Depends

from backend.errors import NotAllowed

Role = Literal["shopper", "manager", "admin"]
RANK: dict[Role, int] = {"shopper": 0, "manager": 1, "admin": 2}


@dataclass(frozen=True)
class Actor:
    """A person or machine that sent a request."""

    name: str
    role: Role


LOCAL_ADMIN = Actor("local", "admin")


async def current_actor() -> Actor:
    """The actor of this request."""
    return LOCAL_ADMIN


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
