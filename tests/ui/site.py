"""A running UI that looks for its API at a port where tests come and go."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Page, expect


@dataclass(frozen=True)
class Site:
    """A running UI, and the port at which it looks for its API."""

    url: str
    api_port: int


@contextmanager
def running_site() -> Iterator[Site]:
    """Streamlit as `akin up` starts it; the API comes and goes with each test."""
    port, api_port = free_port(), free_port()
    options = [f"--server.port={port}", "--server.address=127.0.0.1"]
    child = subprocess.Popen(
        [sys.executable, "-m", "ui.serve", *options],
        env=os.environ | {"AKIN_URL": f"http://127.0.0.1:{api_port}"},
        stdin=subprocess.PIPE,
    )
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/_stcore/health")
    yield Site(url, api_port)
    child.kill()
    child.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            httpx.get(url).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"nothing answers at {url}")


def at_rest(page: Page) -> None:
    """Wait until the page is drawn: a file that is chosen while it is can be lost."""
    app = page.locator("[data-testid=stApp]")
    expect(app).to_have_attribute("data-test-script-state", "notRunning")


def titles(page: Page) -> list[str]:
    """Of the products that are shown."""
    return [title for title in page.locator(".akin-title").all_inner_texts() if title]
