"""Keys for machines over HTTP."""

from __future__ import annotations

import pytest

from backend.accounts import tokens
from tests.backend.accounts.site import PASSWORD, Site, told
from tests.conftest import MovableClock


def test_a_machine_comes_in_with_a_key_until_it_is_revoked(site: Site) -> None:
    made = site.mia.post("/v1/keys", json={"label": "till 3", "role": "shopper"}).json()
    till = site.client(made["token"])
    assert till.get("/v1/me").json()["name"] == "mia/till 3"
    told(till.get("/v1/jobs"), 403, "needs the role manager and mia/till 3 is a shopper")
    told(till.post("/v1/keys", json={"label": "more"}), 403, "cannot make another key")
    change = {"old": PASSWORD, "new": PASSWORD + "!"}
    told(till.post("/v1/me/password", json=change), 403, "A key cannot change a password")
    listed = site.mia.get("/v1/keys").json()["items"]
    assert [key["label"] for key in listed] == ["till 3"]
    assert "token" not in listed[0]
    assert site.sue.get("/v1/keys").json()["items"] == []
    assert site.ann.delete(f"/v1/keys/{made['id']}").status_code == 204
    assert till.get("/v1/me").status_code == 401


def test_an_admin_s_key_that_leaked_makes_no_other_way_in(site: Site) -> None:
    made = site.ann.post("/v1/keys", json={"label": "backup"}).json()
    leaked = site.client(made["token"])
    assert leaked.get("/v1/users").status_code == 200
    body = {"name": "eve", "role": "admin", "password": PASSWORD}
    told(leaked.post("/v1/users", json=body), 403, "A key cannot add a user")
    told(leaked.patch("/v1/users/ann", json={"password": "x" * 12}), 403, "cannot change a user")
    told(leaked.patch("/v1/users/sue", json={"role": "admin"}), 403, "cannot change a user")


def test_a_user_has_so_many_keys(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST_KEYS", 2)
    made = [site.mia.post("/v1/keys", json={"label": f"till {n}"}) for n in range(3)]
    assert [answer.status_code for answer in made] == [201, 201, 409]
    told(made[2], 409, "mia has 2 keys, which is as many as a user may have: revoke one")
    assert site.sue.post("/v1/keys", json={"label": "till"}).status_code == 201
    site.mia.delete(f"/v1/keys/{made[0].json()['id']}")
    assert site.mia.post("/v1/keys", json={"label": "till 4"}).status_code == 201


def test_keys_that_are_over_take_no_room(
    site: Site, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MOST_KEYS", 1)
    mia = site.log_in("mia")
    assert mia.post("/v1/keys", json={"label": "till", "days": 1}).status_code == 201
    clock.advance(86_400)
    assert mia.post("/v1/keys", json={"label": "till"}).status_code == 201
    assert len(mia.get("/v1/keys").json()["items"]) == 1


def test_only_an_admin_makes_keys_for_others(site: Site) -> None:
    body = {"label": "till", "user": "sue"}
    told(site.mia.post("/v1/keys", json=body), 403, "Only an admin makes keys for others")
    made = site.ann.post("/v1/keys", json=body).json()
    assert (made["user"], made["role"]) == ("sue", "shopper")
