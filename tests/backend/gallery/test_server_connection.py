"""A server that does not answer, or answers no, comes out as a sentence."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from backend.errors import SetupError, Unavailable
from backend.gallery.layout import Access
from backend.gallery.opening import open_store


def test_no_server_at_the_url(tmp_path):
    with answering(200) as url:
        pass  # the port is free again
    with pytest.raises(Unavailable, match=f"The Qdrant server at {url} does not answer"):
        open_store(url, tmp_path)


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key(tmp_path, status):
    with answering(status) as url, pytest.raises(SetupError, match="set AKIN_GALLERY_API_KEY"):
        open_store(url, tmp_path, access=Access("wrong"))


def test_a_server_in_trouble(tmp_path):
    with answering(500) as url, pytest.raises(Unavailable, match=r"answered 500 .*read its log"):
        open_store(url, tmp_path)


@contextmanager
def answering(status: int) -> Iterator[str]:
    """The URL of a server that answers every request with `status`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(status)

        def log_message(self, format, *args) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
