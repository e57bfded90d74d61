"""The users page, over the real API with accounts on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect
from streamlit.testing.v1 import AppTest

from backend.client import AkinClient
from backend.runtime import Runtime
from tests.chromium import chromium, without_browser
from tests.ui.staff import PASSWORD, enter, shown, staffed, token
from ui import users
from ui.connection import TOKEN


@pytest.fixture
def api(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with staffed(runtime) as url:
        monkeypatch.setenv("AKIN_URL", url)
        yield url


def on_page(api: str) -> AppTest:
    script = "from ui import users\nusers.page()"
    page = AppTest.from_string(script, default_timeout=60)
    page.session_state[TOKEN] = token(api, "ann")
    return page.run()


def test_an_admin_adds_and_changes_users(api: str) -> None:
    page = on_page(api)
    assert not page.exception
    page.text_input(key="new_name").input("Bob")
    page.selectbox(key="new_role").select("manager")
    page.text_input(key="new_user_password").input(PASSWORD)
    page = page.button(key="add_user_send").click().run()
    assert any("**bob**" in line.value for line in page.markdown)
    page = page.selectbox(key="role:bob:manager").select("shopper").run()
    page = page.button(key="disable:bob").click().run()
    assert any("~~bob~~ disabled" in line.value for line in page.markdown)
    page.text_input(key="given_password:sue").input("staple correct")
    page.button(key="set_password:sue").click().run()
    with AkinClient(api, token=token(api, "ann")) as ann:
        bob = next(user for user in ann.users().items if user.name == "bob")
        assert (bob.role, bob.disabled) == ("shopper", True)
        assert ann.log_in("sue", "staple correct").name == "sue"


def test_a_refusal_is_told_and_the_page_shows_what_is_so(api: str) -> None:
    page = on_page(api).selectbox(key="role:ann:admin").select("shopper").run()
    assert "last admin" in page.toast[0].value
    assert page.selectbox(key="role:ann:admin").value == "admin"


def test_a_new_key_is_shown_once(api: str) -> None:
    page = on_page(api)
    page.text_input(key="key_user").input("mia")
    page.text_input(key="key_label").input("till")
    page = page.button(key="make_key").click().run()
    (shown,) = page.code
    with AkinClient(api, token=shown.value) as till:
        assert till.me().name == "mia/till"
    page = page.run()
    assert not page.code
    (revoke,) = [button for button in page.button if button.label == "Revoke"]
    page = revoke.click().run()
    assert not [button for button in page.button if button.label == "Revoke"]


# --- in a browser


@pytest.fixture
def crowd(api: str) -> None:
    """More users than go onto one page."""
    with AkinClient(api, token=token(api, "ann")) as ann:
        for number in range(users.PAGE):
            ann.add_user(f"zoe{number:02}", "shopper", PASSWORD)


@pytest.fixture
def page(api: str) -> Iterator[Page]:
    """The page in Ann's browser."""
    with shown(api) as url, chromium() as browser:
        expect.set_options(timeout=30_000)
        yield enter(browser, f"{url}/users", "ann")


@pytest.mark.long
@pytest.mark.browser
@without_browser
def test_a_refused_role_is_not_sent_again_with_the_next_click(api: str, page: Page) -> None:
    def mine() -> Locator:
        return page.get_by_role("combobox", name="Role of ann")

    mine().click()
    page.get_by_role("option", name="shopper").click()
    expect(page.get_by_text("last admin")).to_be_visible()
    expect(mine()).to_have_value("admin")
    with AkinClient(api, token=token(api, "ann")) as ann:
        ann.change_user("mia", role="admin")  # now it would be permitted
        page.locator(".st-key-disable-sue button").click()
        expect(page.get_by_text("sue disabled")).to_be_visible()
        assert ann.me().role == "admin"


@pytest.mark.long
@pytest.mark.browser
@without_browser
def test_a_password_s_form_is_put_away_and_lists_begin_at_their_first_page(
    crowd: None, page: Page
) -> None:
    page.get_by_role("button", name="New password").first.click()
    expect(page.get_by_label("New password of ann")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_label("New password of ann")).to_have_count(0)
    page.get_by_role("button", name="More").click()
    expect(page.locator(".st-key-user-zoe49")).to_be_visible()
    expect(page.locator(".st-key-user-ann")).to_have_count(0)
    page.get_by_role("link", name="Audit log").click()
    expect(page.get_by_role("heading", name="Audit log")).to_be_visible()
    page.get_by_role("link", name="Users").click()
    expect(page.locator(".st-key-user-ann")).to_be_visible()
