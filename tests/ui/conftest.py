"""A shop in memory behind the stand-in API, and pages driven with and without a browser."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from tests.chromium import chromium
from tests.ui.shop import Shop
from tests.ui.site import Site, running_site
from tests.ui.standin import serve

Visit = Callable[[str], AppTest]


@pytest.fixture(scope="session", autouse=True)
def no_foreign_components() -> Iterator[None]:
    """Streamlit reads the metadata of every installed package at each run of a page, to find
    components, of which Akin has none: a third of the time of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", lambda *_, **__: [])
        yield


@pytest.fixture(scope="session")
def opened() -> Shop:
    """Eight families of six garments, small pictures."""
    return Shop(size=32).fill(8)


@pytest.fixture
def shop(opened: Shop) -> Shop:
    """A shop of 48 products for one test alone."""
    return copy.deepcopy(opened)


@pytest.fixture
def api(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The stand-in serving the shop, named by AKIN_URL; its URL."""
    with serve(shop) as url:
        monkeypatch.setenv("AKIN_URL", url)
        monkeypatch.delenv("AKIN_PUBLIC_URL", raising=False)
        yield url


@pytest.fixture
def visit(api: str) -> Visit:
    """Opens a page of the UI by the name of its module."""
    return open_page


def open_page(name: str) -> AppTest:
    """The page drawn once, by Streamlit's own test runner."""
    return run(f"from ui import {name}\n{name}.page()")


def run(script: str) -> AppTest:
    """A script of the UI's parts run once. What opens a dialog opens it at each run."""
    return AppTest.from_string(script, default_timeout=20).run()


def html(page: AppTest) -> str:
    """All HTML on a page, the style sheet left out."""
    return "\n".join(element.proto.body for element in page.get("html"))


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A running UI for the tests of a file."""
    with running_site() as running:
        yield running


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    with chromium() as browser:
        yield browser.new_page(viewport={"width": 1400, "height": 900})


@pytest.fixture
def page(tab: Page, site: Site) -> Page:
    """The UI in Chromium."""
    tab.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    tab.goto(site.url)
    return tab


@pytest.fixture
def open_shop(shop: Shop, site: Site) -> Iterator[Shop]:
    """The shop behind the stand-in where that UI looks for it."""
    with serve(shop, site.api_port):
        yield shop
