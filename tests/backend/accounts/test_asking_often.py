"""How often strangers and users may ask."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from backend.rate_limits import RateLimits
from backend.settings import Settings
from tests.backend.accounts.site import Site, a_picture, told


def limited(site: Site, **settings: float) -> RateLimits:
    limits = RateLimits(Settings(**settings))  # type: ignore[arg-type]
    site.app.state.rate_limits = limits
    return limits


def test_tokens_that_are_none_are_counted_before_anybody_looks_for_them(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(site, rate_per_minute=2)
    guesser = site.client("akl_wrong")
    assert [guesser.get("/v1/me").status_code for _ in range(2)] == [401, 401]
    monkeypatch.setattr(type(site.runtime.guard), "actor_of_token", None)
    told(guesser.get("/v1/me"), 429, "Too many requests came from here within a minute")
    assert site.nobody.get("/v1/me").status_code == 429


def test_who_is_known_is_not_counted_by_address(site: Site) -> None:
    limited(site, rate_per_minute=3)
    asked = [one.get("/v1/me").status_code for one in (site.ann, site.mia, site.sue) * 3]
    assert asked == [200] * 9
    assert site.ann.get("/v1/me").status_code == 429
    assert site.nobody.get("/v1/me").status_code == 401


def test_a_user_s_keys_share_one_bucket(site: Site) -> None:
    keys = [
        site.client(site.mia.post("/v1/keys", json={"label": f"till {n}"}).json()["token"])
        for n in range(2)
    ]
    limited(site, rate_per_minute=2)
    asked = [one.get("/v1/me").status_code for one in (*keys, site.mia)]
    assert asked == [200, 200, 429]


def test_pictures_are_counted_by_the_address_that_asks_for_them(site: Site) -> None:
    path = a_picture(site)
    limited(site, rate_per_minute=1)
    here, there = (
        TestClient(
            site.app,
            base_url="http://localhost",
            client=(address, 5000),
            raise_server_exceptions=False,
        )
        for address in ("203.0.113.7", "203.0.113.8")
    )
    assert here.get(path).status_code not in {401, 429}
    assert here.get(path).status_code == 429
    assert there.get(path).status_code not in {401, 429}


def test_logins_and_what_accounts_do_are_counted_too(site: Site) -> None:
    limited(site, costly_rate_per_minute=1)
    wrong = {"name": "mia", "password": "wrong"}
    assert [site.nobody.post("/v1/login", json=wrong).status_code for _ in range(2)] == [401, 429]
    labels = ({"label": "till"}, {"label": "till"})
    assert [site.mia.post("/v1/keys", json=one).status_code for one in labels] == [201, 429]
