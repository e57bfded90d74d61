"""Every operation of the API that changes something leaves a line in the audit log, or says here
why it need not. A new operation fails this test until it is in one of the two tables."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from backend.accounts import passwords, service
from backend.app import create_app
from backend.audit.schemas import AuditFilter, AuditLineOut
from backend.audit.service import all_lines
from backend.catalogue.tables import Product
from backend.runtime import Runtime
from tests.backend.catalogue.stock import picture, stocked
from tests.backend.feedback.test_noting import LEAVES as TRIPLETS
from tests.backend.registry.test_noting import LEAVES as MODELS

PASSWORD = "correct horse battery"
RED = picture("red")
RED_SHA = hashlib.sha256(RED).hexdigest()


class Api:
    """The whole API over a small catalogue, asked by an admin called ann."""

    def __init__(self, runtime: Runtime) -> None:
        app = create_app(runtime)
        self.runtime, self.app = runtime, app
        self.product = stocked(runtime.database)
        with runtime.database.write() as session:
            service.add(session, "ann", "admin", passwords.hashed(PASSWORD), "local")
        token = runtime.guard.log_in("ann", PASSWORD, "here").token
        headers = {"Authorization": f"Bearer {token}"}
        self.http = TestClient(app, base_url="http://localhost", headers=headers)

    def ask(self, method: str, path: str, **options: Any) -> Any:
        answer = self.http.request(method, path, **options)
        assert answer.is_success, answer.text
        return answer

    def lines(self) -> list[AuditLineOut]:
        return list(all_lines(self.runtime.database, AuditFilter()))

    def images(self) -> list[str]:
        shown = self.ask("GET", f"/v1/products/{self.product}").json()
        return [image["id"] for image in shown["images"]]

    def collecting(self) -> str:
        """An import that has all its files."""
        job_id: str = self.ask("POST", "/v1/imports", json={}).json()["id"]
        claim = {"name": "red.png", "sha256": RED_SHA, "size": len(RED)}
        self.ask("POST", f"/v1/imports/{job_id}/files", json={"files": [claim]})
        self.ask("PUT", f"/v1/imports/{job_id}/files/{RED_SHA}", content=RED)
        return job_id

    def cancelled(self) -> str:
        job_id: str = self.ask("POST", "/v1/jobs/reconcile", json={}).json()["id"]
        self.ask("POST", f"/v1/jobs/{job_id}/cancel")
        return job_id

    def user(self, name: str) -> str:
        new = {"name": name, "role": "admin", "password": PASSWORD}
        self.ask("POST", "/v1/users", json=new)
        return name

    def key(self, name: str) -> str:
        new = {"label": "till", "user": self.user(name)}
        return str(self.ask("POST", "/v1/keys", json=new).json()["id"])


class Change(NamedTuple):
    """An operation: the action it leaves behind, what it is done to, and how it is asked for."""

    action: str
    label: str
    given: Callable[[Api], Any]
    ask: Callable[[Api, Any], Any]


CHANGES = {
    "POST /v1/products": Change(
        "product.create",
        "HAT",
        lambda api: {"sku": "HAT", "title": "Hat"},
        lambda api, new: api.ask("POST", "/v1/products", json=new),
    ),
    "PATCH /v1/products/{product_id}": Change(
        "product.update",
        "TEE",
        lambda api: {"title": "Other", "attributes": {"Colour": "blue"}},
        lambda api, change: api.ask("PATCH", f"/v1/products/{api.product}", json=change),
    ),
    "DELETE /v1/products/{product_id}": Change(
        "product.delete",
        "TEE",
        lambda api: api.product,
        lambda api, product_id: api.ask("DELETE", f"/v1/products/{product_id}"),
    ),
    "POST /v1/products/bulk": Change(
        "products.bulk_edit",
        "many products",
        lambda api: {"product_ids": [api.product], "split": "val"},
        lambda api, edit: api.ask("POST", "/v1/products/bulk", json=edit),
    ),
    "POST /v1/products/{product_id}/images": Change(
        "image.add",
        "TEE",
        lambda api: {"image": ("red.png", RED)},
        lambda api, files: api.ask("POST", f"/v1/products/{api.product}/images", files=files),
    ),
    "DELETE /v1/products/{product_id}/images/{image_id}": Change(
        "image.remove",
        "TEE",
        lambda api: api.images()[0],
        lambda api, image: api.ask("DELETE", f"/v1/products/{api.product}/images/{image}"),
    ),
    "POST /v1/imports/{job_id}/start": Change(
        "import.start",
        "ingest",
        lambda api: api.collecting(),
        lambda api, job_id: api.ask("POST", f"/v1/imports/{job_id}/start"),
    ),
    "POST /v1/jobs/reconcile": Change(
        "reconcile.start",
        "reconcile",
        lambda api: {"mend": True},
        lambda api, request: api.ask("POST", "/v1/jobs/reconcile", json=request),
    ),
    "POST /v1/jobs/{job_id}/cancel": Change(
        "job.cancel",
        "ingest",
        lambda api: api.collecting(),
        lambda api, job_id: api.ask("POST", f"/v1/jobs/{job_id}/cancel"),
    ),
    "POST /v1/jobs/{job_id}/retry": Change(
        "job.retry",
        "reconcile",
        lambda api: api.cancelled(),
        lambda api, job_id: api.ask("POST", f"/v1/jobs/{job_id}/retry"),
    ),
    "POST /v1/users": Change(
        "user.create",
        "mia",
        lambda api: {"name": "mia", "role": "admin", "password": PASSWORD},
        lambda api, new: api.ask("POST", "/v1/users", json=new),
    ),
    "PATCH /v1/users/{name}": Change(
        "user.update",
        "bob",
        lambda api: api.user("bob"),
        lambda api, name: api.ask(
            "PATCH", f"/v1/users/{name}", json={"password": "battery staple"}
        ),
    ),
    "POST /v1/me/password": Change(
        "user.update",
        "ann",
        lambda api: {"old": PASSWORD, "new": "battery staple"},
        lambda api, change: api.ask("POST", "/v1/me/password", json=change),
    ),
    "POST /v1/keys": Change(
        "key.create",
        "till",
        lambda api: {"label": "till", "user": api.user("bob")},
        lambda api, new: api.ask("POST", "/v1/keys", json=new),
    ),
    "DELETE /v1/keys/{key_id}": Change(
        "key.revoke",
        "till",
        lambda api: api.key("bob"),
        lambda api, key_id: api.ask("DELETE", f"/v1/keys/{key_id}"),
    ),
}

_SAID = "a candidate, which carries who said it and when; its review is noted"
_COLLECTS = "only collects files; nothing of the catalogue changes before the start, which is noted"
EXCEPTIONS = {
    "POST /v1/login": "begins a login; the log of the process tells it",
    "POST /v1/logout": "ends a login",
    "POST /v1/links": "signs; nothing is kept",
    "POST /v1/search": "asks a question",
    "POST /v1/search/upload": "asks a question; its picture is not kept",
    "POST /v1/pictures/thumbnail": "draws a picture; nothing is kept",
    "POST /v1/imports/preview": "reads a manifest; nothing is kept",
    "POST /v1/imports/preview/pictures": "reads names; nothing is kept",
    "POST /v1/feedback": _SAID,
    "POST /v1/feedback/upload": _SAID,
    "POST /v1/models/compare/search": "asks a question",
    "POST /v1/models/compare/search/upload": "asks a question; its picture is not kept",
    "POST /v1/models/compare": "computes; nothing of either version changes",
    "POST /v1/triplets/score": "computes; nothing that anybody said or decided changes",
    "POST /v1/imports": _COLLECTS,
    "POST /v1/imports/{job_id}/files": _COLLECTS,
    "PUT /v1/imports/{job_id}/files/{sha256}": _COLLECTS,
}


@pytest.fixture
def api(runtime: Runtime) -> Api:
    return Api(runtime)


def test_every_operation_that_changes_something_is_in_one_of_the_tables(api: Api) -> None:
    offered = {
        f"{method.upper()} {path}"
        for path, operations in api.app.openapi()["paths"].items()
        for method in operations
        if method in {"post", "put", "patch", "delete"}
    }
    names = [*CHANGES, *EXCEPTIONS, *MODELS, *TRIPLETS]
    assert len(names) == len(set(names)), "one is in two of them"
    assert offered == set(names)


@pytest.mark.parametrize("operation", CHANGES)
def test_it_leaves_one_line_with_the_name_of_who_asked(api: Api, operation: str) -> None:
    change = CHANGES[operation]
    given = change.given(api)
    before = api.lines()
    change.ask(api, given)
    lines = api.lines()
    assert lines[1:] == before
    assert (lines[0].action, lines[0].label, lines[0].actor) == (change.action, change.label, "ann")


def test_many_products_at_once_are_told_by_number_and_sku(api: Api) -> None:
    for number in range(30):
        api.ask("POST", "/v1/products", json={"sku": f"HAT-{number:02}", "title": "Hat"})
    with api.runtime.database.read() as session:
        ids = list(session.scalars(select(Product.id).order_by(Product.number)))
    api.ask("POST", "/v1/products/bulk", json={"product_ids": ids[:2], "split": "test"})
    api.ask("POST", "/v1/products/bulk", json={"product_ids": ids, "split": "val"})
    api.ask("POST", "/v1/products/bulk", json={"product_ids": ids, "delete": True})
    deleted, edited = api.lines()[:2]
    skus = ["TEE", *(f"HAT-{number:02}" for number in range(19)), "11 more"]
    assert edited.before == {"split": {"train": 29, "test": 2}}
    assert edited.after == {"split": "val", "products": 31, "skus": skus}
    assert (deleted.action, deleted.after) == ("products.bulk_delete", {})
    assert deleted.before == {"products": 31, "skus": skus}


def test_a_change_is_told_by_what_it_changed(api: Api) -> None:
    change = {"price": "14.50", "currency": "EUR", "attributes": {"Colour": None, "Fit": "slim"}}
    api.ask("PATCH", f"/v1/products/{api.product}", json=change)
    line = api.lines()[0]
    assert line.before == {"price": "19.90", "attributes.colour": "red"}
    assert line.after == {"price": "14.50", "attributes.fit": "slim"}


def test_asking_for_what_is_so_already_leaves_no_line(api: Api) -> None:
    image = api.lines()
    api.ask("PATCH", f"/v1/products/{api.product}", json={"title": "Title of TEE"})
    edit = {"product_ids": [api.product], "split": "train"}
    assert api.ask("POST", "/v1/products/bulk", json=edit).json() == {"changed": 0}
    assert api.lines() == image
    api.ask("POST", f"/v1/products/{api.product}/images", files={"image": ("red.png", RED)})
    api.ask("POST", f"/v1/products/{api.product}/images", files={"image": ("red.png", RED)})
    assert len(api.lines()) == len(image) + 1


def test_what_a_product_was_stays_known_when_it_is_gone(api: Api) -> None:
    api.ask("DELETE", f"/v1/products/{api.product}")
    line = api.lines()[0]
    assert line.before["title"] == "Title of TEE"
    assert len(line.before["pictures"]) == 2
    assert line.after == {}


def test_what_is_refused_leaves_no_line(api: Api) -> None:
    before = api.lines()
    assert api.http.delete("/v1/products/nobody").status_code == 404
    taken = {"sku": "TEE", "title": "Another"}
    assert api.http.post("/v1/products", json=taken).status_code == 409
    assert api.lines() == before


def test_the_request_is_known_by_the_id_that_it_came_with(api: Api) -> None:
    def created(sku: str, given: str) -> str | None:
        headers = {"X-Request-ID": given}
        api.ask("POST", "/v1/products", json={"sku": sku, "title": "Hat"}, headers=headers)
        return api.lines()[0].request_id

    assert created("A", "9f86d081-884c.7d65") == "9f86d081-884c.7d65"
    for sku, strange in (("B", "two words"), ("C", "x" * 101)):
        assert re.fullmatch(r"[0-9a-f]{32}", created(sku, strange) or "")
