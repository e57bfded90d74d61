"""Passwords by argon2id, and a check that takes as long for nobody's password."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher()


def hashed(password: str) -> str:
    """The argon2id hash, with its salt and parameters."""
    return _hasher.hash(password)


def fits(password: str, password_hash: str | None) -> bool:
    """Whether it is the password; without a hash the work is done in vain, so that the time of an
    answer does not tell which names there are."""
    try:
        return _hasher.verify(password_hash or _nobodys(), password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    return _hasher.hash("nobody's")
