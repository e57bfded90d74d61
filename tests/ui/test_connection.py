"""What the UI leans on: the API alone, and no torch."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.ui.conftest import html, open_page
from ui import connection
from ui.connection import public_origin

PAGES = ("search", "catalogue", "jobs")


def test_the_ui_starts_without_torch() -> None:
    code = f"import sys; from ui import {', '.join(PAGES)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", PAGES)
def test_every_page_waits_for_a_server_that_is_away(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AKIN_URL", "http://127.0.0.1:9")
    page = open_page(name)
    assert not page.exception
    assert "Akin is not answering just now" in html(page)
    assert any("akin up" in caption.value for caption in page.caption)


@pytest.mark.parametrize(
    ("page", "origin"),
    [
        (None, "http://127.0.0.1:8000"),
        ("http://localhost:8501/catalogue", "http://127.0.0.1:8000"),
        ("http://[::1]:8501/", "http://127.0.0.1:8000"),
        ("http://192.168.1.5:8501/catalogue", "http://192.168.1.5:8000"),
        ("http://shop-pc:8501", "http://shop-pc:8000"),
        ("http://[fd00::5]:8501/", "http://[fd00::5]:8000"),
    ],
)
def test_pictures_come_from_the_host_the_page_came_from(page: str | None, origin: str) -> None:
    assert public_origin("http://127.0.0.1:8000", page) == origin


@pytest.mark.parametrize("address", ["203.0.113.7", None])
def test_a_visitor_is_counted_by_the_end_of_the_connection_and_no_header(
    address: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which anybody could write."""
    spoofed = SimpleNamespace(ip_address=address, headers={"X-Forwarded-For": "198.51.100.1"})
    monkeypatch.setattr("streamlit.context", spoofed)
    monkeypatch.setenv("AKIN_PUBLIC_URL", "/")
    assert connection.visitor_address() == address


@pytest.mark.parametrize("api", ["http://192.168.1.5:8000", "https://api.shop.example"])
def test_an_api_that_every_browser_reaches_is_asked_where_it_is(api: str) -> None:
    assert public_origin(api, "http://shop-pc:8501/") == api
