"""Logging in, and what each role sees, over the real API with accounts on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from backend.client import AkinClient, ApiError
from backend.runtime import Runtime
from tests.chromium import chromium, without_browser
from tests.ui import staff
from tests.ui.conftest import html
from tests.ui.staff import PASSWORD, shown, staffed, token
from ui.connection import TOKEN

APP = str(Path(__file__).parents[2] / "ui" / "app.py")


@pytest.fixture
def api(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with staffed(runtime) as url:
        monkeypatch.setenv("AKIN_URL", url)
        monkeypatch.delenv("AKIN_PUBLIC_URL", raising=False)
        yield url


def enter(name: str, password: str = PASSWORD) -> AppTest:
    page = AppTest.from_file(APP, default_timeout=60).run()
    page.text_input(key="login_name").input(name)
    page.text_input(key="login_password").input(password)
    return page.button(key="login_send").click().run()


@pytest.mark.usefixtures("api")
def test_nobody_sees_anything_before_a_login() -> None:
    page = AppTest.from_file(APP, default_timeout=60).run()
    assert not page.exception
    assert [field.label for field in page.text_input] == ["Name", "Password"]
    assert not page.sidebar.button


@pytest.mark.usefixtures("api")
def test_a_wrong_password_is_told() -> None:
    page = enter("ann", "wrong")
    assert "Name and password do not fit" in page.error[0].value


@pytest.mark.usefixtures("api")
def test_whoever_is_in_sees_who_they_are_and_the_way_out() -> None:
    page = enter("mia")
    assert not page.exception
    assert "<h2>mia</h2><span>manager</span>" in html(page)
    page = page.button(key="log_out").click().run()
    assert TOKEN not in page.session_state
    assert [field.label for field in page.text_input] == ["Name", "Password"]


def test_a_login_that_was_taken_back_asks_again(api: str) -> None:
    page = enter("sue")
    with AkinClient(api, token=token(api, "ann")) as ann:
        ann.change_user("sue", disabled=True)
    page = page.run()
    assert [field.label for field in page.text_input] == ["Name", "Password"]


def test_a_password_is_changed_beside_any_page(api: str) -> None:
    page = enter("mia")
    for key, value in (("old", PASSWORD), ("new", "staple correct"), ("again", "staple")):
        page.text_input(key=f"{key}_password").input(value)
    page = page.button(key="change_password").click().run()
    assert any("typed in two ways" in error.value for error in page.error)
    for key, value in (("old", "wrong"), ("new", "staple correct"), ("again", "staple correct")):
        page.text_input(key=f"{key}_password").input(value)
    page = page.button(key="change_password").click().run()
    assert any("The old password is not the right one" in error.value for error in page.error)
    assert TOKEN in page.session_state
    for key, value in (("old", PASSWORD), ("new", "staple correct"), ("again", "staple correct")):
        page.text_input(key=f"{key}_password").input(value)
    page = page.button(key="change_password").click().run()
    assert "Your password is changed" in page.success[0].value
    with AkinClient(api) as client:
        assert client.log_in("mia", "staple correct").name == "mia"


def test_downloads_are_signed_for_whoever_is_in(api: str) -> None:
    script = (
        "import streamlit as st\n"
        "from ui.connection import download_url\n"
        "st.text(download_url('/v1/audit.csv'))"
    )
    page = AppTest.from_string(script, default_timeout=60)
    assert page.run().text[0].value == f"{api}/v1/audit.csv"
    page.session_state[TOKEN] = token(api, "ann")
    assert "/v1/audit.csv?user=" in page.run().text[0].value


@pytest.mark.parametrize(("asks_for", "refused"), [("a login", 401), ("another password", 403)])
def test_failures_are_counted_as_the_visitor_s(api: str, asks_for: str, refused: int) -> None:
    """The API believes the UI, a proxy of sorts, where its visitors are."""
    known = token(api, "sue") if asks_for == "another password" else None

    def fail(address: str) -> int:
        with AkinClient(api, token=known, address=address) as visitor:
            ask = visitor.log_in if known is None else visitor.change_password
            with pytest.raises(ApiError) as told:
                ask("mia", "wrong password")
        return told.value.status

    assert [fail("203.0.113.5") for _ in range(6)] == [refused] * 5 + [429]
    assert fail("203.0.113.6") == refused


# --- in a browser


@pytest.mark.long
@pytest.mark.browser
@without_browser
def test_each_role_finds_its_pages_after_a_login(api: str) -> None:
    """Whoever followed a link is on its page once logged in; a reload asks again."""
    with shown(api) as url, chromium() as browser:
        assert httpx.get(url).headers["x-frame-options"] == "SAMEORIGIN"
        expect.set_options(timeout=30_000)
        for name, pages in (
            ("sue", []),  # one page needs no menu
            ("mia", ["Search", "Catalogue", "Triplets", "Jobs"]),
            ("ann", ["Search", "Catalogue", "Triplets", "Models", "Compare", "Jobs",
                     "Galleries", "Audit log", "Users"]),
        ):  # fmt: skip
            page = staff.enter(browser, f"{url}/{'' if name == 'sue' else 'catalogue'}", name)
            expect(page.get_by_role("button", name="Log out")).to_be_visible()
            links = page.get_by_test_id("stTopNavLink")
            expect(links).to_have_count(len(pages))
            assert links.all_inner_texts() == pages
            if name == "mia":
                page.reload()
                expect(page.get_by_label("Password", exact=True)).to_be_visible()
            page.close()
