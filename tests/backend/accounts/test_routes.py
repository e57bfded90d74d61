"""In and out, users and passwords over HTTP."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from backend.accounts import passwords
from backend.app import create_app
from backend.runtime import Runtime
from tests.backend.accounts.site import PASSWORD, Site, change, told
from tests.backend.catalogue.stock import stocked


def test_without_a_token_the_way_in_is_told(site: Site) -> None:
    answer = site.nobody.get("/v1/products")
    told(answer, 401, "log in (`akin login`)")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("token", ["", "akl_wrong", "x" * 5000])
def test_a_token_that_is_none_of_ours_is_refused(site: Site, token: str) -> None:
    assert site.client(token).get("/v1/products").status_code == 401


def test_who_am_i(site: Site) -> None:
    assert site.mia.get("/v1/me").json() == {"name": "mia", "role": "manager", "accounts": True}


def test_after_a_logout_the_token_is_worth_nothing(site: Site) -> None:
    again = site.log_in("mia")
    assert again.post("/v1/logout").status_code == 204
    assert again.get("/v1/me").status_code == 401
    assert site.mia.get("/v1/me").status_code == 200


@pytest.mark.usefixtures("clock")
def test_a_wrong_password_is_refused_and_soon_slowed_down(site: Site) -> None:
    wrong = {"name": "mia", "password": "wrong"}
    for _ in range(5):
        told(site.nobody.post("/v1/login", json=wrong), 401, "Name and password do not fit")
    answer = site.nobody.post("/v1/login", json=wrong)
    told(answer, 429, "too many failed logins: wait")
    assert 1 <= int(answer.headers["retry-after"]) <= 300


@pytest.mark.usefixtures("clock")
def test_who_has_to_wait_takes_no_turn_and_writes_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {"name": "mia", "password": "wrong"}
    for _ in range(5):
        site.nobody.post("/v1/login", json=wrong)

    def not_even(*_: object) -> None:
        raise AssertionError("a transaction that writes, or a password that is hashed")

    monkeypatch.setattr(type(site.runtime.guard), "log_in", not_even)
    monkeypatch.setattr(type(site.runtime.guard), "check_password", not_even)
    told(site.nobody.post("/v1/login", json=wrong), 429, "too many failed logins: wait")


def test_a_password_is_changed_by_who_knows_the_old_one(site: Site) -> None:
    elsewhere = site.log_in("mia")
    path, new = "/v1/me/password", "staple correct horse"
    refused = site.mia.post(path, json={"old": "wrong", "new": new})
    told(refused, 403, "The old password is not the right one")  # 401 would say: the token is over
    assert "www-authenticate" not in refused.headers
    told(site.mia.post(path, json={"old": PASSWORD, "new": "short"}), 422, "at least 10")
    assert site.mia.post(path, json={"old": PASSWORD, "new": new}).status_code == 204
    assert site.mia.get("/v1/me").status_code == 200
    assert elsewhere.get("/v1/me").status_code == 401
    site.log_in("mia", new)


def test_an_old_password_changes_nothing_once_an_admin_gave_another(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where it was looked at a moment before."""
    real = passwords.fits

    def fits(password: str, password_hash: str | None) -> bool:
        fitting = real(password, password_hash)
        change(site.runtime.database, "mia", password_hash=passwords.hashed("given by an admin"))
        return fitting

    with monkeypatch.context() as patch:
        patch.setattr(passwords, "fits", fits)
        body = {"old": PASSWORD, "new": "staple correct horse"}
        told(site.mia.post("/v1/me/password", json=body), 403, "The old password is not the right")
    site.log_in("mia", "given by an admin")


def test_a_refused_password_is_not_repeated(site: Site) -> None:
    body = {"name": "bob", "role": "shopper", "password": "sesame"}
    assert "sesame" not in site.ann.post("/v1/users", json=body).text


# --- users and keys


def test_an_admin_adds_changes_and_lists_users(site: Site) -> None:
    body = {"name": "Bob", "role": "shopper", "password": PASSWORD}
    assert site.ann.post("/v1/users", json=body).json()["name"] == "bob"
    bob = site.log_in("BOB")
    assert site.ann.patch("/v1/users/bob", json={"role": "manager"}).json()["role"] == "manager"
    assert bob.get("/v1/jobs").status_code == 200
    assert site.ann.patch("/v1/users/bob", json={"disabled": True}).json()["disabled"]
    assert bob.get("/v1/jobs").status_code == 401
    names = [user["name"] for user in site.ann.get("/v1/users").json()["items"]]
    assert names == ["ann", "bob", "mia", "sue"]
    told(site.ann.patch("/v1/users/ann", json={"role": "shopper"}), 409, "last admin")


@pytest.mark.parametrize("name", ["", "two words", "../x", "x" * 61, "a\0b"])
def test_a_user_s_name_is_letters_digits_and_a_few_signs(site: Site, name: str) -> None:
    body = {"name": name, "role": "shopper", "password": PASSWORD}
    assert site.ann.post("/v1/users", json=body).status_code == 422


# --- without accounts


def test_without_accounts_nobody_has_to_log_in(runtime: Runtime) -> None:
    product = stocked(runtime.database)
    client = TestClient(create_app(runtime), base_url="http://localhost")
    assert client.get("/v1/me").json() == {"name": "local", "role": "admin", "accounts": False}
    shown = client.get(f"/v1/products/{product}").json()["images"][0]["thumbnail"]
    assert "?" not in shown
    wanted = {"path": "/v1/audit.csv"}
    assert client.post("/v1/links", json=wanted).json() == wanted


def test_without_accounts_there_is_no_password_to_change(runtime: Runtime) -> None:
    client = TestClient(create_app(runtime), base_url="http://localhost")
    answer = client.post("/v1/me/password", json={"old": PASSWORD, "new": "staple correct horse"})
    told(answer, 403, "nobody has a password: add the first user with `akin users add")


def test_the_first_user_closes_the_door(runtime: Runtime) -> None:
    client = TestClient(create_app(runtime), base_url="http://localhost")
    body = {"name": "ann", "role": "shopper", "password": PASSWORD}
    told(client.post("/v1/users", json=body), 409, "add an admin first")
    assert client.post("/v1/users", json=body | {"role": "admin"}).status_code == 201
    assert client.get("/v1/me").status_code == 401
