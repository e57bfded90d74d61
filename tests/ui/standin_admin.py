"""The part of the stand-in that managers and admins ask: galleries, comparisons, the audit log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI

from backend.accounts.schemas import Me
from backend.audit.schemas import AuditLineOut
from backend.jobs.schemas import JobOut, ReconcileRequest
from backend.paging import Page
from backend.registry.gallery_schemas import GalleriesOut, GalleryOut
from tests.ui.shop import OPENED, Shop
from tests.ui.shop_jobs import add_job


def add_admin(app: FastAPI, shop: Shop) -> None:
    """The paths, answered from `shop`."""

    @app.get("/v1/me")
    def me() -> Me:
        return Me(name="local", role="admin", accounts=False)

    @app.get("/v1/galleries")
    def galleries() -> GalleriesOut:
        jobs = [job for job in reversed(shop.jobs.values()) if job.kind == "reconcile"]
        return GalleriesOut(
            galleries=list(shop.galleries.values()),
            reconciling=next((job for job in jobs if not job.finished), None),
            reconciled=next((job for job in jobs if job.state == "done"), None),
        )

    @app.post("/v1/jobs/reconcile", status_code=202)
    def reconcile(request: ReconcileRequest) -> JobOut:
        return add_job(shop, "reconcile", "running", parameters=request.model_dump())

    @app.get("/v1/audit")
    def audit(
        actor: str | None = None, action: str = "", cursor: int = 0, limit: int = 50
    ) -> Page[AuditLineOut]:
        found = [
            line
            for line in reversed(shop.lines)
            if actor in (None, line.actor) and line.action.startswith(action)
        ]
        end = cursor + limit
        more = str(end) if end < len(found) else None
        return Page[AuditLineOut](items=found[cursor:end], next_cursor=more, total=len(found))


def add_gallery(shop: Shop, name: str, **facts: Any) -> GalleryOut:
    """A gallery of the shop that holds everything, with `facts` over that."""
    images = sum(len(product.images) for product in shop.products.values())
    whole: dict[str, Any] = {
        "fingerprint": "9f86d081884c7d65" * 4,
        "dim": 256,
        "active": False,
        "versions": [],
        "created_at": OPENED,
        "images": images,
        "embedded": images,
        "stale": 0,
        "missing": 0,
        "refused": 0,
        "share": 1.0,
        "complete": True,
        "held": images,
        "points": images,
        "problem": None,
        "refusals": [],
        "job": None,
        "found": None,
    }
    shop.galleries[name] = GalleryOut.model_validate({"id": name} | whole | facts)
    return shop.galleries[name]


def add_line(shop: Shop, action: str, label: str = "TEE-1", **facts: Any) -> None:
    """A line of the shop's audit log, with `facts` over what a new one has."""
    blank: dict[str, Any] = {
        "id": len(shop.lines) + 1,
        "at": datetime(2026, 11, 26, 12, 0, len(shop.lines) % 60, tzinfo=UTC),
        "actor": "ann",
        "subject_kind": action.split(".")[0],
        "subject_id": "p00001",
        "before": {},
        "after": {},
        "request_id": None,
    }
    given = {"action": action, "label": label}
    shop.lines.append(AuditLineOut.model_validate(blank | given | facts))
