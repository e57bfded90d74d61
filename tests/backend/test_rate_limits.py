"""How often one caller may ask, and what is never limited."""

from __future__ import annotations

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from backend import clock, problems
from backend.accounts.actor import LOCAL_ADMIN, Actor, current_actor
from backend.rate_limits import Buckets, RateLimits, limit_rate
from backend.settings import Settings


@pytest.fixture
def now(monkeypatch):
    """A clock that the test moves on."""
    moment = [1_000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: moment[0])
    return moment


def application(**settings):
    app = FastAPI(dependencies=[Depends(limit_rate)])
    app.state.rate_limits = RateLimits(Settings(**settings))
    app.dependency_overrides[current_actor] = lambda: LOCAL_ADMIN
    problems.install(app)

    @app.get("/v1/products")
    @app.post("/v1/search/upload")
    @app.post("/v1/feedback")
    @app.put("/v1/imports/1/files/2")
    def answer() -> int:
        return 1

    return app


def client_of(app, address="203.0.113.7"):
    return TestClient(app, client=(address, 5000))


def test_a_bucket_holds_a_minute_s_requests_and_fills_evenly(now):
    buckets = Buckets(60)
    assert [buckets.wait("ann") for _ in range(61)] == [0.0] * 60 + [1.0]
    now[0] += 0.5
    assert buckets.wait("ann") == 0.5
    now[0] += 0.5
    assert buckets.wait("ann") == 0.0
    now[0] += 3_600
    assert sum(not buckets.wait("ann") for _ in range(100)) == 60


def test_callers_have_buckets_of_their_own_and_few_are_kept(now):
    buckets = Buckets(1, callers=3)
    assert not any(buckets.wait(f"caller {number}") for number in range(100))
    assert len(buckets) == 3
    assert buckets.wait("caller 99")
    assert not buckets.wait("caller 0")  # forgotten


def test_the_answer_says_when_to_come_again(now):
    client = client_of(application(rate_per_minute=2))
    assert [client.get("/v1/products").status_code for _ in range(2)] == [200, 200]
    answer = client.get("/v1/products")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
    assert answer.json()["detail"] == (
        "Too many requests came from here within a minute: try again in 30 seconds."
    )
    now[0] += 30
    assert client.get("/v1/products").status_code == 200


def test_what_costs_much_has_a_limit_of_its_own(now):
    client = client_of(application(costly_rate_per_minute=1))
    assert client.post("/v1/search/upload").status_code == 200
    assert client.post("/v1/feedback").status_code == 429
    assert client.get("/v1/products").status_code == 200


def test_the_files_of_an_import_are_not_counted(now):
    client = client_of(application(rate_per_minute=1))
    assert {client.put("/v1/imports/1/files/2").status_code for _ in range(5)} == {200}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_this_machine_is_not_counted_without_accounts(now, address):
    client = client_of(application(rate_per_minute=1), address)
    assert {client.get("/v1/products").status_code for _ in range(5)} == {200}


def test_an_account_is_counted_wherever_it_asks_from(now):
    app = application(rate_per_minute=1)
    app.dependency_overrides[current_actor] = lambda: Actor("ann", "shopper")
    assert client_of(app, "127.0.0.1").get("/v1/products").status_code == 200
    assert client_of(app, "203.0.113.9").get("/v1/products").status_code == 429


def test_addresses_of_one_ipv6_network_are_one_caller(now):
    app = application(rate_per_minute=1)
    assert client_of(app, "2001:db8::1").get("/v1/products").status_code == 200
    assert client_of(app, "2001:db8::2:1").get("/v1/products").status_code == 429
    assert client_of(app, "2001:db8:0:1::1").get("/v1/products").status_code == 200


def test_zero_sets_no_limit(now):
    client = client_of(application(rate_per_minute=0, costly_rate_per_minute=0))
    assert {client.post("/v1/feedback").status_code for _ in range(9)} == {200}


@pytest.mark.parametrize(("proxy", "second"), [("10.1.2.3", 200), ("203.0.113.1", 429)])
def test_only_a_trusted_proxy_says_who_asks(now, proxy, second):
    """As `akin up` gives the setting to uvicorn."""
    settings = Settings(rate_per_minute=1, trusted_proxies="10.0.0.0/8")
    app = ProxyHeadersMiddleware(application(rate_per_minute=1), list(settings.trusted_proxies))
    client = client_of(app, proxy)
    asked = [
        client.get("/v1/products", headers={"X-Forwarded-For": f"198.51.100.{n}"}).status_code
        for n in (1, 2)
    ]
    assert asked == [200, second]
