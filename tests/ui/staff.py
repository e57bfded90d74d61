"""A server with accounts on, and people who log in to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page

from backend.accounts import passwords, service
from backend.accounts.roles import Role
from backend.app import create_app
from backend.client import AkinClient
from backend.runtime import Runtime
from tests.api import served
from tests.backend.catalogue.stock import stocked
from tests.ui.site import free_port, wait_for

PASSWORD = "correct horse battery"
PEOPLE: dict[str, Role] = {"ann": "admin", "mia": "manager", "sue": "shopper"}


@contextmanager
def staffed(runtime: Runtime) -> Iterator[str]:
    """The real API, where Ann is an admin, Mia a manager and Sue a shopper; its URL."""
    stocked(runtime.database)
    password_hash = passwords.hashed(PASSWORD)
    with runtime.database.write() as session:
        for name, role in PEOPLE.items():
            service.add(session, name, role, password_hash, "local")
    with served(create_app(runtime)) as url:
        yield url


def token(api: str, name: str) -> str:
    """What the API knows this person by from now on."""
    with AkinClient(api) as client:
        return client.log_in(name, PASSWORD).token


@contextmanager
def shown(api: str) -> Iterator[str]:
    """The UI as `akin up` starts it, of this API; its URL."""
    url = f"http://127.0.0.1:{free_port()}"
    options = [f"--server.port={url.rpartition(':')[2]}", "--server.address=127.0.0.1"]
    child = subprocess.Popen(
        [sys.executable, "-m", "ui.serve", *options],
        env=os.environ | {"AKIN_URL": api},
        stdin=subprocess.PIPE,
    )
    try:
        wait_for(f"{url}/_stcore/health")
        yield url
    finally:
        child.kill()
        child.wait()


def enter(browser: Browser, url: str, name: str) -> Page:
    """A new tab in which somebody has logged in at this page."""
    page = browser.new_page(viewport={"width": 1600, "height": 900})
    page.goto(url)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    return page
