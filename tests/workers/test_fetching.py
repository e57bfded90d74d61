"""Pictures fetched from the web: a real server on this machine stands for the public internet."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import httpcore
import pytest

from backend.audit.schemas import AuditFilter
from backend.audit.service import all_lines
from backend.errors import InvalidInput, TooLarge
from tests.workers.workshop import activate, import_files, photo, products, reasons
from workers import picture_intake
from workers.fetching import Fetcher

PUBLIC = "93.184.216.34"
PICTURE = photo("red")


class Site(BaseHTTPRequestHandler):
    """Answers by path, and remembers the headers of what it was asked."""

    asked: ClassVar[list[tuple[str, dict[str, str]]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        part = self.path.strip("/").split("/")
        if part[0] == "to":
            self._answer(302, {"Location": "/".join(part[1:]).replace("__", "//")})
        elif part[0] == "round":
            self._answer(302, {"Location": f"/round/{int(part[1]) + 1}", "Set-Cookie": "a=1"})
        elif part[0] == "missing.jpg":
            self._answer(404, {})
        elif part[0] == "slow.jpg":
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(100):
                    self.wfile.write(b"x")
                    time.sleep(0.05)
            except OSError:
                pass
        else:
            self._answer(200, {"Content-Type": "text/html"}, PICTURE)

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def port():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


class Internet(httpcore.NetworkBackend):
    """Leads the one public address to the server here, and remembers who was connected to."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connected: list[str] = []

    def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        self.connected.append(host)
        assert host == PUBLIC
        return httpcore.SyncBackend().connect_tcp("127.0.0.1", self.port, timeout)


@pytest.fixture
def internet(port):
    Site.asked.clear()
    return Internet(port)


NAMES = {"shop.example": PUBLIC, "cdn.shop.example": PUBLIC, "inside.example": "10.0.0.7"}


def fetcher(internet, hosts=("*",), max_bytes=10**6, **options):
    options = {"resolver": lambda host, _: [NAMES.get(host, host)], **options}
    return Fetcher(hosts, (80, 443), max_bytes, network=internet, **options)


def test_a_picture_is_fetched_whatever_it_is_said_to_be(internet):
    assert fetcher(internet).fetch("http://shop.example/a.jpg?size=2") == PICTURE
    ((path, headers),) = Site.asked
    assert (path, headers["host"]) == ("/a.jpg?size=2", "shop.example")
    assert internet.connected == [PUBLIC]
    assert not headers.keys() & {"cookie", "authorization", "referer"}


def test_redirects_are_followed_without_cookies_and_not_for_ever(internet):
    assert (
        fetcher(internet).fetch("http://shop.example/to/http:__cdn.shop.example/b.jpg") == PICTURE
    )
    with pytest.raises(InvalidInput, match="it leads on more than 5 times"):
        fetcher(internet).fetch("http://shop.example/round/0")
    assert all("cookie" not in headers for _, headers in Site.asked)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://inside.example/a.jpg", "inside.example is no public address"),
        ("http://127.0.0.1/a.jpg", "127.0.0.1 is no public address"),
        ("http://[::ffff:93.184.216.34]/a.jpg", "is no public address"),
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254 is no public address"),
        ("http://shop.example:8000/a.jpg", "port 8000 is not among those allowed"),
        ("http://ann:secret@shop.example/a.jpg", "it holds a user's name or password"),
        ("ftp://shop.example/a.jpg", "it leads to something other than http or https"),
        ("http://", "it leads to something other than http or https"),
        ("http://[x/a.jpg", "it is no web address"),
        ("http://shop.example/missing.jpg", "the server answers 404"),
        ("https://shop.example/a.jpg", "the connection failed"),
    ],
)
def test_what_is_not_fetched_says_why(internet, address, reason):
    with pytest.raises(InvalidInput) as caught:
        fetcher(internet).fetch(address)
    assert reason in caught.value.sentence
    assert caught.value.sentence.startswith("The picture ")
    assert caught.value.sentence.endswith("correct the address, or send the picture along.")


@pytest.mark.parametrize(
    "place", ["http:__inside.example/", "http:__127.0.0.1/", "file:__/etc/passwd"]
)
def test_every_redirect_is_checked_anew(internet, place):
    with pytest.raises(InvalidInput):
        fetcher(internet).fetch(f"http://shop.example/to/{place}")
    assert internet.connected == [PUBLIC]


def test_a_name_that_turns_to_another_address_is_asked_once_a_connection(internet):
    """DNS rebinding: what was checked is what is connected to."""
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    turning = fetcher(internet, resolver=lambda *_: next(answers))
    assert turning.fetch("http://shop.example/a.jpg") == PICTURE
    with pytest.raises(InvalidInput, match="no public address"):
        turning.fetch("http://shop.example/a.jpg")
    assert internet.connected == [PUBLIC]


def test_only_hosts_that_are_allowed_and_those_below_them(internet):
    allowed = fetcher(internet, hosts=["shop.example"])
    assert allowed.fetch("http://CDN.shop.example/a.jpg") == PICTURE
    for address in ("http://evilshop.example/a.jpg", f"http://{PUBLIC}/a.jpg"):
        with pytest.raises(InvalidInput, match="is not among the hosts allowed"):
            allowed.fetch(address)
    with pytest.raises(InvalidInput, match=r"fetching is off \(AKIN_URL_IMPORT\)"):
        fetcher(internet, hosts=()).fetch("http://shop.example/a.jpg")


def test_size_and_time_are_bounded(internet):
    with pytest.raises(TooLarge, match="it has more than 100 bytes"):
        fetcher(internet, max_bytes=100).fetch("http://shop.example/a.jpg")
    begun = time.monotonic()
    with pytest.raises(InvalidInput, match="it took too long"):
        fetcher(internet, seconds=0.3).fetch("http://shop.example/slow.jpg")
    assert time.monotonic() - begun < 2


LIST = b"""sku,image_url
TEE-1,http://shop.example/a.jpg
TEE-2,http://shop.example/b.jpg|http://inside.example/c.jpg
TEE-3,http://shop.example/sent.jpg
"""


def test_an_import_fetches_what_did_not_come_along(runtime, internet, monkeypatch):
    activate(runtime)
    runtime.settings.url_import = ("*",)
    monkeypatch.setattr(picture_intake, "fetcher_of", lambda _: fetcher(internet))
    job = import_files(runtime, {"list.csv": LIST, "sent.jpg": photo("blue")})
    assert (job.state, job.result["created"], job.result["refused"]) == ("done", 2, 1)
    (line,) = all_lines(runtime.database, AuditFilter(action="import.fetch"))
    assert (line.actor, line.subject_id) == ("ann", job.id)
    assert line.after == {"pictures": 3, "hosts": ["shop.example", "inside.example"]}

    assert products(runtime).keys() == {"TEE-1", "TEE-3"}
    (reason,) = reasons(runtime, job).values()
    assert reason == (
        "The picture http://inside.example/c.jpg was not fetched (inside.example is no public "
        "address): correct the address, or send the picture along."
    )
    assert {path for path, _ in Site.asked} == {"/a.jpg", "/b.jpg"}


def test_without_the_setting_nothing_is_fetched(runtime, internet, monkeypatch):
    activate(runtime)
    monkeypatch.setattr(picture_intake, "fetcher_of", lambda _: fetcher(internet))
    job = import_files(runtime, {"list.csv": LIST, "sent.jpg": photo("blue")})
    assert products(runtime).keys() == {"TEE-3"}
    assert "the picture a.jpg did not come with the manifest" in str(reasons(runtime, job))
    assert internet.connected == []


def test_the_audit_log_is_told_hosts_and_no_passwords(runtime, internet, monkeypatch):
    activate(runtime)
    runtime.settings.url_import = ("*",)
    monkeypatch.setattr(picture_intake, "fetcher_of", lambda _: fetcher(internet))
    listed = b"sku,image_url\nTEE-1,http://ann:secret@shop.example:80?x=@b/a.jpg\n"
    import_files(runtime, {"list.csv": listed})
    (line,) = all_lines(runtime.database, AuditFilter(action="import.fetch"))
    assert line.after["hosts"] == ["shop.example:80"]
