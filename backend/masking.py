"""Secrets are not for logs: passwords in URLs, and whatever settings say is secret."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structlog.types import EventDict

HIDDEN = "***"
_SHORTEST = 6  # a shorter secret would hide half of every sentence
_IN_URL = re.compile(r"(?<=://)([^\s/:@]*):([^\s\"'<>]+)@")
_WORD = re.compile(r"[^\s\"'<>]+")
_KEYS = re.compile(r"password|secret|token|api_?key|authorization|cookie", re.IGNORECASE)

_known: set[str] = set()
_lock = threading.Lock()


def hide(secret: str | None) -> None:
    """Let this value never appear in a log line or sentence of this process again."""
    if secret and len(secret) >= _SHORTEST:
        with _lock:
            _known.add(secret)


def hide_password(url: str | None) -> None:
    """The same for the password of a URL, if it has one."""
    if url and (found := _IN_URL.search(url)):
        hide(found.group(2))


def masked(text: str) -> str:
    """The text without passwords of URLs and without the secrets of this process."""
    if "://" in text:
        text = _WORD.sub(_without_password, text)
    for secret in tuple(_known):
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text


def _without_password(word: re.Match[str]) -> str:
    """Only what stands before the last @ is looked through: there the first user with a password
    ends the search, and of what a stranger sends no end is looked for again and again."""
    before, at, after = word.group().rpartition("@")
    return _IN_URL.sub(rf"\1:{HIDDEN}@", before + at) + after if at else word.group()


def mask_line(_logger: object, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: everything of a line masked, tracebacks included."""
    for name, value in event.items():
        if isinstance(value, str | BaseException | list | tuple | dict):
            event[name] = HIDDEN if _is_secret(name, value) else _masked(value)
    return event


def _is_secret(name: str, value: object) -> bool:
    return isinstance(value, str) and _KEYS.search(name) is not None


def _masked(value: object) -> object:
    match value:
        case str():
            return masked(value)
        case BaseException():
            return masked(str(value))
        case list() | tuple():
            return [_masked(one) for one in value]
        case dict():
            return {
                name: HIDDEN if _is_secret(str(name), one) else _masked(one)
                for name, one in value.items()
            }
    return value
