"""How much each route takes: next to nothing, unless it is among those that need more."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from backend.app import create_app
from backend.bodies import FEW, LISTS, limit_of
from backend.catalogue.schemas import FileClaim, FileClaims
from backend.runtime import Runtime

MOST = 64 * 2**20
OF_LISTS = {
    "/v1/feedback",
    "/v1/imports",
    "/v1/imports/preview/pictures",
    "/v1/imports/{job_id}/files",
    "/v1/models/compare/search",
    "/v1/products",
    "/v1/products/bulk",
    "/v1/products/{product_id}",
    "/v1/search",
    "/v1/triplets/review",
}
"""A new route takes `FEW`, or is put here as well."""


def bodies(runtime: Runtime) -> dict[str, set[str]]:
    """The types of the bodies that each path takes, by the description."""
    return {
        path: set(operation["requestBody"]["content"])
        for path, methods in create_app(runtime).openapi()["paths"].items()
        for method, operation in methods.items()
        if "requestBody" in operation and method != "put"
    }


def test_only_files_may_be_large(runtime: Runtime) -> None:
    for path, types in bodies(runtime).items():
        wanted = LISTS if path in OF_LISTS else FEW
        if types == {"multipart/form-data"}:
            wanted = MOST
        assert limit_of(path, MOST) == wanted, path


def test_a_thousand_files_may_be_claimed_at_once() -> None:
    name = "ä" * 1000
    claims = FileClaims(files=[FileClaim(name=name, sha256="0" * 64, size=2**40)] * 1000)
    assert len(claims.model_dump_json().encode()) < LISTS


@pytest.mark.parametrize(
    ("path", "told"), [("/v1/login", "64 KB"), ("/v1/search", "4 MB"), ("/v1/links", "64 KB")]
)
def test_a_larger_body_is_refused_before_it_is_parsed(
    runtime: Runtime, path: str, told: str
) -> None:
    client = TestClient(create_app(runtime), base_url="http://localhost")
    nested = b"[" + b"[]," * (limit_of(path, MOST) // 3) + b"[]]"
    for body in (nested, iter([nested])):
        answer = client.post(path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 413
        assert answer.json()["detail"] == (
            f"The request is larger than {told}, the most that is taken here: send large "
            "catalogues as an import."
        )


def test_a_smaller_limit_of_one_s_own_holds_for_all() -> None:
    assert limit_of("/v1/search/upload", 1000) == limit_of("/v1/login", 1000) == 1000
