"""nginx lets a download pause, and nothing else: a real nginx, with seconds in place of minutes."""

from __future__ import annotations

import importlib
import pkgutil
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute

import backend
from tests.deployment.by_hand import ByHand
from tests.deployment.compose import REPOSITORY

LOCATIONS = (REPOSITORY / "deploy" / "nginx" / "locations.conf.template").read_text()
DOWNLOADS = re.search(r"location ~ (\S+) \{([^}]*)\}", LOCATIONS)
PIECES = (b"begun, ", b"ended")
PAUSE = 2.5


def routers() -> Iterator[APIRouter]:
    """Of every domain; what an app makes of them is FastAPI's own affair."""
    for found in pkgutil.walk_packages(backend.__path__, "backend."):
        if found.name.endswith("routes"):
            yield importlib.import_module(found.name).router


def test_every_answer_that_is_streamed_may_pause() -> None:
    assert DOWNLOADS is not None
    pattern, settings = DOWNLOADS.groups()
    assert "proxy_read_timeout 1h;" in settings
    assert "send_timeout 1h;" in settings
    streamed = {
        re.sub(r"\{\w+\}", "some-id", "/v1/" + route.path.removeprefix("/v1").lstrip("/"))
        for router in routers()
        for route in router.routes
        if isinstance(route, APIRoute)
        and isinstance(route.response_class, type)
        and issubclass(route.response_class, StreamingResponse)
    }
    assert {"/v1/backup", "/v1/catalogue/export.zip", "/v1/jobs/some-id/items.csv"} <= streamed
    assert {path for path in streamed if not re.search(pattern, path)} == set()
    assert not re.search(pattern, "/v1/search")


class Pausing(BaseHTTPRequestHandler):
    """Pauses before the second piece for longer than nginx waits otherwise."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(sum(map(len, PIECES))))
        self.end_headers()
        self.wfile.write(PIECES[0])
        self.wfile.flush()
        time.sleep(PAUSE)
        with suppress(OSError):  # nginx has gone away
            self.wfile.write(PIECES[1])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hasty(tmp_path, monkeypatch) -> Iterator[ByHand]:
    """nginx that otherwise waits a second for the next piece, before an API that pauses."""
    for program in ("nginx", "envsubst"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here")
    with ExitStack() as stack:
        site = ByHand(tmp_path)
        site._prepare(stack)
        server = ThreadingHTTPServer(("127.0.0.1", site.ports["api"]), Pausing)
        Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        stack.callback(site._end)
        for volume in site.services["nginx"].volumes:
            site._mount(*volume.split(":")[:2])
        conf = site._nginx_folder / "nginx.conf"
        conf.write_text(
            conf.read_text().replace("proxy_read_timeout 300s", "proxy_read_timeout 1s")
        )
        monkeypatch.setattr(site, "_mount", lambda *_: None)
        site._spawn("nginx")
        yield site


def is_whole(site: ByHand, path: str) -> bool:
    try:
        return httpx.get(site.plain_origin + path, timeout=20).content == b"".join(PIECES)
    except httpx.TransportError:
        return False


@pytest.mark.long
@pytest.mark.services
def test_a_download_that_pauses_is_whole_and_any_other_answer_is_cut(hasty: ByHand) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            httpx.get(f"{hasty.plain_origin}/metrics", timeout=2)
            break
        except httpx.TransportError:
            assert time.monotonic() < deadline, hasty.story()
            time.sleep(0.05)
    assert is_whole(hasty, "/v1/backup")
    assert not is_whole(hasty, "/v1/catalogue")
