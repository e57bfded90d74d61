"""The catalogue over HTTP: products, lists, facets, exports, and who may do what."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from backend.accounts.actor import Actor, current_actor
from backend.runtime import Runtime
from tests.backend.catalogue.over_http import (
    TEE,
    app,
    created,
    http,
    jpeg,
    refused,
    runtime,
    with_image,
)
from tests.backend.catalogue.stock import gallery, sha

__all__ = ["app", "http", "runtime"]

CAP = {"sku": "CAP/1 é", "title": "Cap", "split": "val"}
BYTES = {"application/octet-stream", "application/zip", "image/webp"}
"""Media types that no example is given of."""


def test_a_product_is_created_found_and_listed(http: TestClient) -> None:
    tee, cap = created(http, TEE), created(http, CAP)

    assert http.get(f"/v1/products/{tee['id']}").json() == tee
    assert http.get("/v1/products/by-sku", params={"sku": CAP["sku"]}).json() == cap
    assert tee["attributes"] == {"colour": "red", "size": 38}
    assert (tee["price"], tee["split"], tee["images"]) == ("19.90", "train", [])
    page = http.get("/v1/products").json()
    assert (page["items"], page["total"], page["next_cursor"]) == ([cap, tee], 2, None)


def test_a_list_is_filtered_searched_and_paged(http: TestClient) -> None:
    for number in range(3):
        created(http, {**TEE, "sku": f"TEE-{number}", "price": f"{10 * number}"})
    created(http, CAP)

    def skus(**query: Any) -> list[str]:
        return [one["sku"] for one in http.get("/v1/products", params=query).json()["items"]]

    assert skus(filters=["category=t-shirt", "price>=10"]) == ["TEE-2", "TEE-1"]
    assert skus(q="cap") == ["CAP/1 é"]
    first = http.get("/v1/products", params={"limit": 3}).json()
    assert skus(limit=3, cursor=first["next_cursor"]) == ["TEE-0"]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"filters": "colur=red"}, "There is no filter 'colur'"),
        ({"filters": "split=valid"}, "There is no split 'valid'"),
        ({"filters": ["category=a"] * 51}, "filters: "),
        ({"limit": 201}, "limit: "),
        ({"cursor": "x"}, "The cursor is not one"),
        ({"q": "x" * 201}, "q: "),
    ],
)
def test_lists_that_cannot_be(http: TestClient, query: dict[str, Any], sentence: str) -> None:
    refused(http.get("/v1/products", params=query), 422, sentence)


@pytest.mark.parametrize(
    ("change", "status", "sentence"),
    [
        ({}, 409, "product with the SKU 'TEE-0042' already"),
        ({"sku": "  "}, 422, "sku: String should have at least 1 character"),
        ({"sku": "X", "title": " "}, 422, "title: String should have at least 1 character"),
        ({"sku": "X", "split": "valid"}, 422, "split: Input should be 'train', 'val' or 'test'"),
        ({"sku": "X", "currency": None}, 422, "A price needs its currency"),
        ({"sku": "X", "price": None}, 422, "A currency needs its price"),
        ({"sku": "X", "price": "-1"}, 422, "price: "),
        ({"sku": "X", "currency": "euro"}, 422, "currency: "),
        ({"sku": "X", "colour": "red"}, 422, "colour: Extra inputs are not permitted"),
        ({"sku": "X", "attributes": {"Size": "M"}}, 422, "'Size' takes whole numbers"),
        ({"sku": "X", "attributes": {"Size": [1]}}, 422, "attributes.Size"),
    ],
)
def test_products_that_cannot_be(
    http: TestClient, change: dict[str, Any], status: int, sentence: str
) -> None:
    created(http, TEE)
    refused(http.post("/v1/products", json={**TEE, **change}), status, sentence)


def test_a_product_is_changed_and_deleted(http: TestClient, runtime: Runtime) -> None:
    with runtime.database.write() as session:
        gallery(session, "gallery-a")
    path = f"/v1/products/{created(http, TEE)['id']}"

    changed = http.patch(path, json={"title": "Blue", "attributes": {"colour": "blue"}}).json()
    assert (changed["title"], changed["price"]) == ("Blue", "19.90")
    assert changed["attributes"] == {"colour": "blue", "size": 38}
    assert http.get(path).json() == changed
    assert runtime.queue.waiting("embed") == 1

    assert http.delete(path).status_code == 204
    refused(http.get(path), 404, "There is no product")
    refused(http.delete(path), 404, "There is no product")
    refused(http.patch(path, json={"title": "X"}), 404, "There is no product")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "name at least one field to change"),
        ({"title": None}, "title of 'TEE-0042' cannot be taken away"),
        ({"sku": "OTHER"}, "sku: Extra inputs are not permitted"),
    ],
)
def test_changes_that_cannot_be(http: TestClient, change: dict[str, Any], sentence: str) -> None:
    path = f"/v1/products/{created(http, TEE)['id']}"
    refused(http.patch(path, json=change), 422, sentence)


def test_many_products_are_changed_then_deleted(http: TestClient) -> None:
    ids = [created(http, TEE)["id"], created(http, CAP)["id"]]

    def bulk(**edit: Any) -> Any:
        return http.post("/v1/products/bulk", json={"product_ids": ids, **edit})

    assert bulk(split="val", category="x").json() == {"changed": 2}
    assert http.get("/v1/catalogue").json()["splits"] == {"train": 0, "val": 2, "test": 0}
    assert bulk(delete=True).json() == {"changed": 2}
    refused(bulk(), 422, "either a new split or category")
    assert http.get("/v1/catalogue").json()["products"] == 0


def test_facets_are_counted_under_the_filters(http: TestClient) -> None:
    created(http, TEE)
    created(http, CAP)
    answer = http.get("/v1/facets", params={"filters": "category=t-shirt"})
    found = {one["key"]: one for one in answer.json()}
    assert found["split"]["values"] == [{"value": "train", "count": 1}]
    assert [one["value"] for one in found["category"]["values"]] == ["t-shirt", "uncategorised"]
    assert (found["price"]["minimum"], found["price"]["maximum"]) == (19.9, 19.9)
    refused(http.get("/v1/facets", params={"filters": "x=1"}), 422, "There is no filter 'x'")


def test_the_catalogue_is_exported_as_json_lines(http: TestClient) -> None:
    product_id = created(http, TEE)["id"]
    (image,) = with_image(http, product_id, jpeg())["images"]
    created(http, CAP)
    answer = http.get("/v1/catalogue/export.jsonl")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    declared, cap, tee = (json.loads(line) for line in answer.text.splitlines())
    assert {one["slug"] for one in declared["akin_attributes"]} == {"colour", "size"}
    assert (cap["sku"], cap["images"]) == (CAP["sku"], [])
    assert tee["images"] == [f"images/{image['sha256']}.jpg"]


def test_the_catalogue_is_exported_with_its_images(http: TestClient) -> None:
    with_image(http, created(http, TEE)["id"], jpeg())
    created(http, CAP)
    size = http.get("/v1/catalogue/export").json()
    problems = {"zip_problem": None, "folder_problem": None}
    assert size == {"products": 2, "images": 1, "bytes": len(jpeg()), **problems}
    answer = http.get("/v1/catalogue/export.zip", params={"filters": [f"sku={TEE['sku']}"]})
    assert answer.headers["content-type"] == "application/zip"
    assert 'filename="catalogue.zip"' in answer.headers["content-disposition"]
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert [archive.read(name) for name in archive.namelist()[:-1]] == [jpeg()]
    assert http.get("/v1/catalogue/export.zip?filters=colr=red").status_code == 422


MANAGERS_ONLY = [
    ("GET", "/v1/catalogue/export"),
    ("GET", "/v1/catalogue/export.zip"),
    ("POST", "/v1/products"),
    ("POST", "/v1/products/bulk"),
    ("PATCH", "/v1/products/x"),
    ("DELETE", "/v1/products/x"),
    ("POST", "/v1/products/x/images"),
    ("DELETE", "/v1/products/x/images/y"),
    ("GET", "/v1/catalogue/export.jsonl"),
    ("GET", f"/v1/blobs/{sha(1)}"),
]
SHOPPERS = [
    ("GET", "/v1/products"),
    ("GET", "/v1/products/x"),
    ("GET", "/v1/products/by-sku?sku=x"),
    ("GET", "/v1/facets"),
    ("GET", "/v1/catalogue"),
    ("GET", f"/v1/pictures/{sha(1)}/preview"),
    ("POST", "/v1/pictures/thumbnail"),
]


def test_a_shopper_looks_and_changes_nothing(app: FastAPI, http: TestClient) -> None:
    app.dependency_overrides[current_actor] = lambda: Actor("sam", "shopper")
    for method, path in MANAGERS_ONLY:
        refused(http.request(method, path), 403, "This needs the role manager")
    for method, path in SHOPPERS:
        assert http.request(method, path).status_code in {200, 404, 422}


def test_every_operation_is_documented_with_an_example(app: FastAPI) -> None:
    operations = {
        (method.upper(), path): operation
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    }
    assert len(operations) == len(MANAGERS_ONLY) + len(SHOPPERS)
    for (method, path), operation in operations.items():
        assert operation["summary"], path
        assert operation["description"], path
        (success,) = (code for code in operation["responses"] if code in {"200", "201", "204"})
        content = operation["responses"][success].get("content", {})
        for media, shape in content.items():
            assert "example" in shape or media in BYTES, path
        assert method != "DELETE" or success == "204"
