"""What the UI that `akin up` starts tells browsers."""

from __future__ import annotations

from pathlib import Path

from starlette.testclient import TestClient
from streamlit.web.server.app_discovery import discover_asgi_app

from ui import serve, server
from ui.server import Unframed


async def page(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a page"})


def test_no_page_of_another_site_may_frame_it():
    answer = TestClient(Unframed(page)).get("/")
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    assert answer.text == "a page"


def test_streamlit_serves_the_pages_with_it():
    found = discover_asgi_app(Path(server.__file__))
    assert (found.is_asgi_app, found.import_string) == (True, "server:app")
    assert server.app.script_path == Path(serve.__file__).with_name("app.py")
    assert [repr(one) for one in server.app._user_middleware] == ["Middleware(Unframed)"]
