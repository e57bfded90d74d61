"""Who asks, and what the roles are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["shopper", "manager", "admin"]
RANK: dict[Role, int] = {"shopper": 0, "manager": 1, "admin": 2}


@dataclass(frozen=True)
class Actor:
    """A person or machine that sent a request."""

    name: str
    role: Role
    user_id: str | None = None
    token_id: str | None = None
    """Of what it showed; None where there are no accounts, and for a signed link."""
    by_key: bool = False


LOCAL_ADMIN = Actor("local", "admin")
A_LINK = Actor("a link", "shopper")
"""Whoever has a picture's link."""


def lower(one: Role, other: Role) -> Role:
    """The role of the two that may do less."""
    return min(one, other, key=RANK.__getitem__)
