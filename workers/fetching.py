"""Pictures that a list names by their web addresses: fetched with a stranger's list in mind.

httpcore, which httpx stands on, asks a network backend to connect to a host's name. The one here
looks the name up, refuses what is not public, and connects to the very address that it checked. So
a name that says another address a moment later (DNS rebinding) changes nothing, while the Host
header and the certificate are those of the name. There is no proxy, no cookie, no credential.
"""

from __future__ import annotations

import ssl
from collections.abc import Collection, Iterable
from typing import Any

import httpcore
import httpx

from backend import clock
from backend.catalogue.sources_on_web import ANYWHERE
from backend.errors import AkinError, InvalidInput, TooLarge
from workers.public_addresses import Resolve, in_time, public_address, resolve

REDIRECTS = 5
SECONDS = 30.0
"""For one picture, redirects included."""
_MOVED = frozenset({301, 302, 303, 307, 308})
# Nothing packed: what comes is counted as it comes.
_HEADERS = [("User-Agent", "akin"), ("Accept", "image/*"), ("Accept-Encoding", "identity")]


class Fetcher:
    """Fetches pictures, each over a connection of its own. For any number of threads."""

    def __init__(
        self,
        hosts: Collection[str],
        ports: Collection[int],
        max_bytes: int,
        *,
        seconds: float = SECONDS,
        resolver: Resolve = resolve,
        network: httpcore.NetworkBackend | None = None,
        certificates: ssl.SSLContext | None = None,
    ) -> None:
        """hosts: names that may be asked, those below them too; none: nothing is fetched; with
        `ANYWHERE`: every public one. network: what connects to the addresses that were checked.
        certificates: what https is checked by, the usual authorities unless given."""
        self._hosts = frozenset(host.lower() for host in hosts)
        self._ports, self._max_bytes, self._seconds = frozenset(ports), max_bytes, seconds
        self._resolver = resolver
        self._network = network or httpcore.SyncBackend()
        self._certificates = certificates

    def fetch(self, address: str) -> bytes:
        """The bytes at a web address, whatever they are said to be.

        Raises:
            InvalidInput: where it may not be asked, or does not answer as it should.
            TooLarge: for more than `max_bytes`.
        """
        try:
            return self._fetch(address)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            slow = isinstance(error, httpcore.TimeoutException)
            reason = "it took too long" if slow else "the connection failed"
            raise _refused(address, reason) from error
        except AkinError as error:
            raise type(error)(_refused(address, error.sentence).sentence) from error

    def _fetch(self, address: str) -> bytes:
        deadline = clock.monotonic() + self._seconds
        network = _Pinning(self._network, self._resolver, deadline)
        url = _parsed(address)
        for _ in range(1 + REDIRECTS):
            self._check(url)
            with (
                httpcore.ConnectionPool(
                    ssl_context=self._certificates, network_backend=network
                ) as pool,
                pool.stream("GET", str(url), headers=_HEADERS) as answer,
            ):
                if answer.status not in _MOVED:
                    return self._body(answer)
                url = _parsed(_location(answer), url)
        raise InvalidInput(f"it leads on more than {REDIRECTS} times")

    def _body(self, answer: httpcore.Response) -> bytes:
        if answer.status != httpx.codes.OK:
            raise InvalidInput(f"the server answers {answer.status}")
        data = bytearray()
        for piece in answer.iter_stream():
            data += piece
            if len(data) > self._max_bytes:
                raise TooLarge(f"it has more than {self._max_bytes:,} bytes")
        return bytes(data)

    def _check(self, url: httpx.URL) -> None:
        if not self._hosts:
            raise InvalidInput("fetching is off (AKIN_URL_IMPORT)")
        if url.scheme not in {"http", "https"} or not url.host:
            raise InvalidInput("it leads to something other than http or https")
        if url.userinfo:
            raise InvalidInput("it holds a user's name or password")
        if (url.port or {"http": 80, "https": 443}[url.scheme]) not in self._ports:
            raise InvalidInput(f"port {url.port} is not among those allowed")
        parts = url.raw_host.decode("ascii").lower().rstrip(".").split(".")
        above = {".".join(parts[start:]) for start in range(len(parts))}
        if ANYWHERE not in self._hosts and not above & self._hosts:
            raise InvalidInput(f"{url.host[:100]} is not among the hosts allowed")


class _Pinning(httpcore.NetworkBackend):
    """Connects to the address that a name was checked to have, until a deadline."""

    def __init__(self, network: httpcore.NetworkBackend, resolver: Resolve, until: float) -> None:
        self._network, self._resolver, self._until = network, resolver, until

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        resolver = in_time(self._resolver, _left(self._until))
        address = public_address(host, port, resolver)
        return _Timed(self._network.connect_tcp(address, port, _left(self._until)), self._until)


class _Timed(httpcore.NetworkStream):
    """A connection that ends at a deadline, even where a drop comes now and then."""

    def __init__(self, stream: httpcore.NetworkStream, until: float) -> None:
        self._stream, self._until = stream, until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._until))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._until))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, _left(self._until))
        return _Timed(secured, self._until)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _location(answer: httpcore.Response) -> str:
    for name, value in answer.headers:
        if name.lower() == b"location":
            return value.decode("latin-1")
    raise InvalidInput("it leads on to nowhere")


def _left(until: float) -> float:
    left = until - clock.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout
    return left


def _parsed(address: str, after: httpx.URL | None = None) -> httpx.URL:
    try:
        url = httpx.URL(address) if after is None else after.join(address)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidInput("it is no web address") from error
    if b"%" in url.raw_host:
        raise InvalidInput("it is no web address")
    return url


def _refused(address: str, reason: str) -> InvalidInput:
    shown = address if len(address) <= 300 else f"{address[:299]}…"
    return InvalidInput(
        f"The picture {shown} was not fetched ({reason}): correct the address, or send the picture "
        "along."
    )
