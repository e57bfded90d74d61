"""What each role may do: every operation of the API is in one table."""

from __future__ import annotations

from typing import Any, Literal

from backend.accounts.roles import RANK, Role
from tests.backend.accounts.site import Site

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
            if (status == 403) == may or status in (401, 500):
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
