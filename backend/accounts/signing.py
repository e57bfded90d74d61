"""Links that carry their own permission, for what a browser opens without a token.

A picture's link is good for whoever has it; a download's names the user who asked for it, who must
still be allowed to when it is opened. The signature covers path, query and expiry.
"""

from __future__ import annotations

import hashlib
import hmac
from contextvars import ContextVar
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from pydantic import PlainSerializer

from backend import clock

PICTURE_SECONDS = 12 * 3600
"""Pictures' links change only so often, or no browser could keep a picture; they work for at least
so long, and at most twice."""
DOWNLOAD_SECONDS = 3600
"""A page with a download on it may stay open for a while before it is clicked."""


class Signer:
    """Signs and checks links with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def picture(self, path: str) -> str:
        """The path of a picture, signed until the end of the next period."""
        period = int(clock.now().timestamp()) // PICTURE_SECONDS
        return self._signed(path, [], (period + 2) * PICTURE_SECONDS)

    def download(self, path: str, user_id: str, role: str) -> str:
        """The path of a download, query included, signed for this user with at most this role."""
        expires = int(clock.now().timestamp()) + DOWNLOAD_SECONDS
        return self._signed(path, [("user", user_id), ("role", role)], expires)

    def check(self, path: str, query: str) -> dict[str, str] | None:
        """What a link says that we signed and that is not over; None for any other."""
        fields = parse_qsl(query, keep_blank_values=True)
        if not fields or fields[-1][0] != "signature":
            return None
        told = dict(fields[:-1])
        if not hmac.compare_digest(
            fields[-1][1].encode(), self._signature(path, fields[:-1]).encode()
        ):
            return None
        return told if int(told["expires"]) > clock.now().timestamp() else None

    def _signed(self, path: str, more: list[tuple[str, str]], expires: int) -> str:
        path, _, query = path.partition("?")
        fields = [*_without_ours(query), *more, ("expires", str(expires))]
        return f"{path}?{urlencode([*fields, ('signature', self._signature(path, fields))])}"

    def _signature(self, path: str, fields: list[tuple[str, str]]) -> str:
        text = f"{path}?{urlencode(fields)}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()


def _without_ours(query: str) -> list[tuple[str, str]]:
    """Nobody may bring the fields that say for whom a link is."""
    ours = {"user", "role", "expires", "signature"}
    return [one for one in parse_qsl(query, keep_blank_values=True) if one[0] not in ours]


SIGNER: ContextVar[Signer | None] = ContextVar("signer", default=None)
"""What signs the pictures' links of the answer to this request; None without accounts."""


def _signed_picture(path: str) -> str:
    signer = SIGNER.get()
    return path if signer is None else signer.picture(path)


PicturePath = Annotated[str, PlainSerializer(_signed_picture, when_used="json", return_type=str)]
"""A picture's path, signed as it leaves: what is kept for minutes or hours is not."""
