"""Which addresses a URL of a stranger's list may lead to: those that anybody could ask."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from backend.errors import InvalidInput

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host's name at a port."""

_EMBEDDING = (
    ipaddress.IPv6Network("64:ff9b::/96"),  # NAT64 (RFC 6052)
    ipaddress.IPv6Network("64:ff9b:1::/48"),
    ipaddress.IPv6Network("::/96"),  # IPv4-compatible, out of use
)
"""Networks whose addresses lead to an IPv4 address, of whatever kind that is."""
_OF_CLOUDS = frozenset({"168.63.129.16"})
"""Public by their number, but asked from inside of a cloud (Azure) they tell its secrets."""


def is_public(address: str) -> bool:
    """Whether it is one machine's address on the public internet: not this machine, a private or
    link-local network (where clouds answer for metadata), multicast, or reserved; no address under
    which a cloud answers; nor an IPv6 address that stands for, or leads to, an IPv4 address."""
    try:
        one = ipaddress.ip_address(address)
    except ValueError:
        return False
    if not one.is_global or one.is_multicast or one.is_reserved or one.is_unspecified:
        return False
    if isinstance(one, ipaddress.IPv4Address):
        return str(one) not in _OF_CLOUDS
    leads = one.ipv4_mapped is not None or one.sixtofour is not None or one.teredo is not None
    return not (leads or one.is_site_local or any(one in network for network in _EMBEDDING))


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name by the system's resolver; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def in_time(resolver: Resolve, seconds: float) -> Resolve:
    """The same resolver, given up after so long: the system's has no deadline of its own, and a
    name server that says nothing holds it for as long as it likes.

    What was given up runs on in a thread that nothing waits for, not even the end of the process.
    """

    def resolved(host: str, port: int) -> Sequence[str]:
        answer: Future[Sequence[str]] = Future()

        def ask() -> None:
            try:
                answer.set_result(resolver(host, port))
            except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
                answer.set_exception(error)

        threading.Thread(target=ask, daemon=True, name="resolver").start()
        return answer.result(seconds)

    return resolved


def public_address(host: str, port: int, resolver: Resolve = resolve) -> str:
    """The address to connect to, with no further look at the name: it could say another next time.

    Raises:
        InvalidInput: where the name has no address, or any one that is not public, or nobody says
            in time.
    """
    try:
        addresses = resolver(host, port)
    except TimeoutError as error:
        raise InvalidInput(f"nobody said in time what the address of {host[:100]} is") from error
    except (OSError, UnicodeError) as error:
        raise InvalidInput(f"the name {host[:100]} has no address") from error
    if not addresses:
        raise InvalidInput(f"the name {host[:100]} has no address")
    if not all(map(is_public, addresses)):
        raise InvalidInput(f"{host[:100]} is no public address")
    return addresses[0]
