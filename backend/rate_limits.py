"""How often one caller may ask: token buckets, more careful with what costs more to answer.

A caller is a user, however many keys and logins; of what names no user (no login, a bad token, a
picture's link) the address. This process counts for itself.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict

from fastapi import Depends, Request

from backend import clock
from backend.accounts.actor import LOCAL_ADMIN, Actor, current_actor
from backend.accounts.roles import A_LINK
from backend.addresses import is_this_machine, network_of
from backend.errors import TooMany
from backend.settings import Settings

CALLERS = 20_000
"""Buckets that are kept, some 4 MB; of further callers those that asked longest ago are forgotten,
which fills their bucket."""
COSTLY = (
    *("/upload", "/thumbnail", "/feedback", "/preview", "/start", "/import"),
    *("/login", "/password", "/users", "/keys"),
)
"""How the paths of POSTs end that decode a stranger's picture, read a file, write what has to be
reviewed, or hash a password."""
_SENDING = "/v1/imports/"


class Buckets:
    """One bucket a caller: it holds a minute's requests, and fills evenly."""

    def __init__(self, per_minute: float, callers: int = CALLERS) -> None:
        """per_minute: 0 lets everything through."""
        self._capacity, self._rate, self._callers = per_minute, per_minute / 60, callers
        self._lock = threading.Lock()
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()  # by moment of last use

    def __len__(self) -> int:
        return len(self._held)

    def wait(self, caller: str) -> float:
        """0 for a request that may pass, which is counted; else seconds until one may."""
        if not self._capacity:
            return 0.0
        now = clock.monotonic()
        with self._lock:
            held, then = self._held.pop(caller, (self._capacity, now))
            held = min(self._capacity, held + max(0.0, now - then) * self._rate)
            wait = 0.0 if held >= 1 else (1 - held) / self._rate
            self._held[caller] = (held if wait else held - 1, now)
            if len(self._held) > self._callers:
                self._held.popitem(last=False)
        return wait

    def give_back(self, caller: str) -> None:
        """One of the requests that passed is not to count."""
        with self._lock:
            if caller in self._held:
                held, then = self._held[caller]
                self._held[caller] = (min(self._capacity, held + 1), then)


class RateLimits:
    """The limits of one process."""

    def __init__(self, settings: Settings) -> None:
        self._all = Buckets(settings.rate_per_minute)
        self._costly = Buckets(settings.costly_rate_per_minute)

    def check(self, request: Request, actor: Actor) -> None:
        """Count a request; raises TooMany where its caller has asked too often."""
        method, path = request.method, request.url.path.rstrip("/")
        # What an import sends is bounded by what it claimed, and many small files come fast.
        if method == "PUT" and path.startswith(_SENDING):
            return
        caller = _caller(request, actor)
        if caller is not None:
            self._count(caller, costly=method == "POST" and path.endswith(COSTLY))

    def check_login(self, request: Request) -> None:
        """Count somebody who gives a name and a password; raises TooMany."""
        self._count(_address(request), costly=True)

    def check_stranger(self, request: Request) -> None:
        """Count a request by its address before anybody looks who it is; raises TooMany."""
        self._count(_address(request))

    def no_stranger(self, request: Request) -> None:
        """It is known who that was: count it as theirs and not by its address."""
        self._all.give_back(_address(request))

    def _count(self, caller: str, *, costly: bool = False) -> None:
        wait = self._all.wait(caller)
        if not wait and costly:
            wait = self._costly.wait(caller)
        if wait:
            seconds = max(1, math.ceil(wait))
            raise TooMany(
                "Too many requests came from here within a minute: try again in "
                f"{seconds} second{'' if seconds == 1 else 's'}.",
                seconds,
            )


async def limit_logins(request: Request) -> None:
    """A dependency of the one route that nobody has to be known for."""
    limits: RateLimits = request.app.state.rate_limits
    limits.check_login(request)


async def limit_rate(request: Request, actor: Actor = Depends(current_actor)) -> None:
    """A dependency of every route below /v1 that wants to know who asks."""
    limits: RateLimits = request.app.state.rate_limits
    limits.check(request, actor)


def _caller(request: Request, actor: Actor) -> str | None:
    """Who is counted; None for this machine itself where there are no accounts."""
    if actor not in (LOCAL_ADMIN, A_LINK):
        return f"account {actor.user_id or actor.name}"
    if actor == LOCAL_ADMIN and is_this_machine(_host(request)):
        return None
    return _address(request)


def _address(request: Request) -> str:
    return f"address {network_of(_host(request))}"


def _host(request: Request) -> str:
    return request.client.host if request.client else ""
