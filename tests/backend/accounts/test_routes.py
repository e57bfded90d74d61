"""Accounts over HTTP, and what each role may do: every operation of the API is in one table."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from fastapi.testclient import TestClient

from backend.accounts import passwords, service, tokens
from backend.accounts.roles import RANK, Role
from backend.accounts.signing import PICTURE_SECONDS
from backend.app import create_app
from backend.rate_limits import RateLimits
from backend.runtime import Runtime
from backend.settings import Settings
from tests.backend.catalogue.stock import stocked
from tests.conftest import MovableClock

PASSWORD = "correct horse battery"
ROLES: tuple[Role, ...] = ("shopper", "manager", "admin")

EXPECTED: dict[str, Role | Literal["nobody"]] = {
    "GET /healthz": "nobody",
    "GET /readyz": "nobody",
    "GET /metrics": "nobody",  # nginx does not pass it on
    "POST /v1/login": "nobody",
    "POST /v1/logout": "shopper",
    "GET /v1/me": "shopper",
    "POST /v1/me/password": "shopper",
    "GET /v1/users": "admin",
    "POST /v1/users": "admin",
    "PATCH /v1/users/{name}": "admin",
    "GET /v1/keys": "shopper",
    "POST /v1/keys": "shopper",
    "DELETE /v1/keys/{key_id}": "shopper",
    "POST /v1/links": "shopper",
    "GET /v1/products": "shopper",
    "POST /v1/products": "manager",
    "GET /v1/products/by-sku": "shopper",
    "POST /v1/products/bulk": "manager",
    "GET /v1/products/{product_id}": "shopper",
    "PATCH /v1/products/{product_id}": "manager",
    "DELETE /v1/products/{product_id}": "manager",
    "POST /v1/products/{product_id}/images": "manager",
    "DELETE /v1/products/{product_id}/images/{image_id}": "manager",
    "GET /v1/facets": "shopper",
    "GET /v1/catalogue": "shopper",
    "GET /v1/catalogue/export.jsonl": "manager",
    "GET /v1/catalogue/export.zip": "manager",
    "GET /v1/catalogue/export": "manager",
    "GET /v1/pictures/{sha256}/{kind}": "shopper",
    "POST /v1/pictures/thumbnail": "shopper",
    "GET /v1/blobs/{sha256}": "manager",
    "POST /v1/imports": "manager",
    "POST /v1/imports/preview": "manager",
    "POST /v1/imports/preview/pictures": "manager",
    "POST /v1/imports/{job_id}/files": "manager",
    "PUT /v1/imports/{job_id}/files/{sha256}": "manager",
    "POST /v1/imports/{job_id}/start": "manager",
    "GET /v1/imports/{job_id}/products": "manager",
    "POST /v1/search": "shopper",
    "POST /v1/search/upload": "shopper",
    "POST /v1/models/compare/search": "admin",
    "POST /v1/models/compare/search/upload": "admin",
    "GET /v1/jobs": "manager",
    "POST /v1/jobs/reconcile": "admin",
    "GET /v1/jobs/{job_id}": "manager",
    "GET /v1/jobs/{job_id}/items": "manager",
    "GET /v1/jobs/{job_id}/items.csv": "manager",
    "POST /v1/jobs/{job_id}/cancel": "manager",
    "POST /v1/jobs/{job_id}/retry": "manager",
    "POST /v1/models/{version_id}/promote": "admin",
    "POST /v1/models/rollback": "admin",
    "GET /v1/deployments": "admin",
    "GET /v1/deployments/way-back": "admin",
    "GET /v1/promotion": "admin",
    "DELETE /v1/promotion": "admin",
    "PUT /v1/models/import": "admin",
    "GET /v1/models/{version_id}/artefact": "admin",
    "PATCH /v1/models/{version_id}": "admin",
    "DELETE /v1/models/{version_id}": "admin",
    "GET /v1/models/{version_id}": "admin",
    "GET /v1/model": "shopper",
    "GET /v1/models": "admin",
    "GET /v1/galleries": "manager",
    "GET /v1/audit": "admin",
    "GET /v1/audit.csv": "admin",
    "GET /v1/backup": "admin",
    "GET /v1/recipes": "admin",
    "POST /v1/train": "admin",
    "GET /v1/jobs/{job_id}/curves": "manager",
    "GET /v1/jobs/{job_id}/log": "manager",
    "POST /v1/models/{version_id}/measure": "admin",
    "POST /v1/models/compare": "admin",
    "POST /v1/triplets/import": "manager",
    "GET /v1/triplets/export": "manager",
    "POST /v1/triplets/hold-out": "manager",
    "POST /v1/triplets/score": "manager",
    "POST /v1/feedback": "shopper",
    "POST /v1/feedback/upload": "shopper",
    "GET /v1/triplets": "manager",
    "GET /v1/triplets/summary": "manager",
    "POST /v1/triplets/review": "manager",
    "GET /v1/triplets/{triplet_id}": "manager",
    "PATCH /v1/triplets/{triplet_id}": "manager",
}
"""The least role of each operation. A new one fails the test until it is here."""


class Site:
    """The whole API with accounts on, and a client for each role."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.product = stocked(runtime.database)
        password_hash = passwords.hashed(PASSWORD)
        with runtime.database.write() as session:
            for name, role in (("ann", "admin"), ("mia", "manager"), ("sue", "shopper")):
                service.add(session, name, role, password_hash, "local")  # type: ignore[arg-type]
        self.app = create_app(runtime)
        self.nobody = self.client()
        self.ann, self.mia, self.sue = (self.log_in(name) for name in ("ann", "mia", "sue"))
        self.by_role = {"shopper": self.sue, "manager": self.mia, "admin": self.ann}

    def client(self, token: str | None = None) -> TestClient:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return TestClient(
            self.app,
            base_url="http://localhost",
            headers=headers,
            raise_server_exceptions=False,  # the catalogue's version has no backbone
        )

    def log_in(self, name: str, password: str = PASSWORD) -> TestClient:
        answer = self.nobody.post("/v1/login", json={"name": name, "password": password})
        assert answer.status_code == 200, answer.text
        return self.client(answer.json()["token"])


@pytest.fixture
def site(runtime: Runtime) -> Site:
    return Site(runtime)


def told(answer: Any, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


# --- every operation, for every role and for nobody


def operations(app: Any) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    }


def test_every_operation_is_in_the_table(site: Site) -> None:
    assert set(operations(site.app)) == set(EXPECTED)


def test_every_operation_asks_for_its_role_and_no_other(site: Site) -> None:
    """Nothing is sent along, so what is let in mostly fails later; that it was let in is told by
    any other status than 401 and 403."""
    wrong = []
    for operation, least in EXPECTED.items():
        if operation in {"GET /metrics", "POST /v1/logout"}:
            continue  # below: it would end the sessions of this test
        method, path = operation.split()
        for part in ("product_id", "image_id", "job_id", "version_id", "triplet_id", "key_id"):
            path = path.replace(f"{{{part}}}", "0" * 8)
        path = path.replace("{sha256}", "0" * 64).replace("{kind}", "thumbnail")
        path = path.replace("{name}", "nobody").replace("{gallery_id}", "none")
        assert "{" not in path, path
        status = site.nobody.request(method, path).status_code
        if (status == 401) != (least != "nobody"):
            wrong.append((operation, "nobody", status))
        for role in ROLES:
            status = site.by_role[role].request(method, path).status_code
            may = least == "nobody" or RANK[role] >= RANK[least]
            if (status == 403) == may or status == 401:
                wrong.append((operation, role, status))
    assert wrong == []


def test_the_description_names_the_scheme_and_says_where_it_is_needed(site: Site) -> None:
    schemes = site.app.openapi()["components"]["securitySchemes"]
    assert schemes["bearer"]["type"] == "http"
    assert schemes["bearer"]["scheme"] == "bearer"
    for name, operation in operations(site.app).items():
        if EXPECTED[name] != "nobody":
            assert operation["security"] == [{"bearer": []}], name
            assert "401" in operation["responses"], name


# --- in and out


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


# --- how often strangers and users may ask


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


def test_a_password_is_changed_by_who_knows_the_old_one(site: Site) -> None:
    elsewhere = site.log_in("mia")
    path, new = "/v1/me/password", "staple correct horse"
    told(site.mia.post(path, json={"old": "wrong", "new": new}), 401, "do not fit")
    told(site.mia.post(path, json={"old": PASSWORD, "new": "short"}), 422, "at least 10")
    assert site.mia.post(path, json={"old": PASSWORD, "new": new}).status_code == 204
    assert site.mia.get("/v1/me").status_code == 200
    assert elsewhere.get("/v1/me").status_code == 401
    site.log_in("mia", new)


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


# --- links for browsers


def a_picture(site: Site) -> str:
    path: str = site.sue.get(f"/v1/products/{site.product}").json()["images"][0]["thumbnail"]
    return path


def test_a_picture_s_link_needs_no_token(site: Site) -> None:
    path = a_picture(site)
    answer = site.nobody.get(path)
    assert answer.status_code != 401
    assert site.nobody.get(path.split("?")[0]).status_code == 401


def test_the_same_picture_has_the_same_link_for_hours(site: Site, clock: MovableClock) -> None:
    site.sue = site.log_in("sue")
    path = a_picture(site)
    clock.advance(PICTURE_SECONDS / 4)
    assert a_picture(site) == path


def test_a_picture_s_link_is_over_after_a_day(site: Site, clock: MovableClock) -> None:
    site.sue = site.log_in("sue")
    path = a_picture(site)
    clock.advance(PICTURE_SECONDS)
    assert site.nobody.get(path).status_code != 401
    clock.advance(PICTURE_SECONDS)
    told(site.nobody.get(path), 401, "This link is over or was changed")


def test_a_changed_link_opens_nothing(site: Site) -> None:
    path = a_picture(site)
    mangled = [
        path.replace("/thumbnail", "/preview"),
        path.replace("expires=", "expires=9"),
        path[:-1] + ("0" if path[-1] != "0" else "1"),
        path + "&signature=0",
        path.replace("signature=", "user=x&signature="),
        path.split("?")[0] + "?signature=",
        path.split("?")[0] + "?signature=%ff%00",
        path.replace(path.split("/")[3], "0" * 64),
    ]
    for one in mangled:
        assert site.nobody.get(one).status_code == 401, one
    assert site.nobody.post(path).status_code in {401, 405}


def test_a_download_s_link_permits_what_its_user_may_while_he_may(site: Site) -> None:
    def link(client: TestClient, path: str) -> str:
        return str(client.post("/v1/links", json={"path": path}).json()["path"])

    lines = link(site.mia, "/v1/catalogue/export.jsonl?filters=category%3Dtee&user=x&role=admin")
    assert site.nobody.get(lines).status_code == 200
    assert site.nobody.get(lines.replace("tee", "hat")).status_code == 401
    told(site.nobody.get(link(site.mia, "/v1/audit.csv")), 403, "needs the role admin")
    audit = link(site.ann, "/v1/audit.csv")
    assert site.nobody.get(audit).status_code == 200
    assert site.nobody.get(audit.replace("audit.csv", "users")).status_code == 401
    site.ann.patch("/v1/users/mia", json={"disabled": True})
    told(site.nobody.get(lines), 401, "may no longer come in")


def test_a_download_s_link_is_over_after_an_hour(site: Site, clock: MovableClock) -> None:
    ann = site.log_in("ann")
    path = ann.post("/v1/links", json={"path": "/v1/audit.csv"}).json()["path"]
    clock.advance(3599)
    assert site.nobody.get(path).status_code == 200
    clock.advance(1)
    assert site.nobody.get(path).status_code == 401


@pytest.mark.parametrize("path", ["/v1/users", "/v1/keys", "/v1/pictures/x", "/v1/audit.csvx"])
def test_only_downloads_get_links(site: Site, path: str) -> None:
    told(site.ann.post("/v1/links", json={"path": path}), 422, "is no download")


def test_a_replica_takes_the_links_of_another(site: Site) -> None:
    path = a_picture(site)
    runtime = site.runtime
    runtime.guard = type(runtime.guard)(runtime.settings, runtime.database)
    assert site.nobody.get(path).status_code != 401


# --- without accounts


def test_without_accounts_nobody_has_to_log_in(runtime: Runtime) -> None:
    product = stocked(runtime.database)
    client = TestClient(create_app(runtime), base_url="http://localhost")
    assert client.get("/v1/me").json() == {"name": "local", "role": "admin", "accounts": False}
    shown = client.get(f"/v1/products/{product}").json()["images"][0]["thumbnail"]
    assert "?" not in shown
    wanted = {"path": "/v1/audit.csv"}
    assert client.post("/v1/links", json=wanted).json() == wanted


def test_the_first_user_closes_the_door(runtime: Runtime) -> None:
    client = TestClient(create_app(runtime), base_url="http://localhost")
    body = {"name": "ann", "role": "shopper", "password": PASSWORD}
    told(client.post("/v1/users", json=body), 409, "add an admin first")
    assert client.post("/v1/users", json=body | {"role": "admin"}).status_code == 201
    assert client.get("/v1/me").status_code == 401
