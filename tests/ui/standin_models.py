"""The stand-in's registry, training jobs and promotion: the same words and refusals, in memory."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Request, Response

from backend.errors import Conflict, InvalidInput, NotFound
from backend.jobs.schemas import JobOut
from backend.paging import Page
from backend.registry.schemas import (
    DeploymentOut,
    PromoteRequest,
    PromotionOut,
    RollbackRequest,
    VersionChange,
    VersionOut,
)
from backend.training.schemas import CurvesOut, LogOut, RecipeOut, TrainRequest
from tests.ui.shop import OPENED, Shop
from tests.ui.shop_jobs import add_job

COMBINER = RecipeOut(
    name="combiner",
    about="Learns from triplets how words change a picture.",
    data="triplets",
    takes="triplets",
    parameters={
        "description": "Published values.",
        "properties": {
            "batch": {"type": "integer", "minimum": 2, "default": 4096},
            "epochs": {"type": "integer", "minimum": 1, "default": 300},
            "lr": {"type": "number", "exclusiveMinimum": 0, "default": 2e-5},
            "schedule": {"type": "string", "enum": ["constant", "cosine"], "default": "constant"},
            "patience": {
                "anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}],
                "default": None,
            },
            "added": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            "half": {"type": "boolean", "default": False},
            "seed": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1, "default": 0},
        },
    },
    presets={"small-data": {"batch": 512, "epochs": 60, "lr": 0.001, "schedule": "cosine"}},
)
PIC2WORD = RecipeOut(
    name="pic2word",
    about="Makes a word of a picture.",
    data="any folder of pictures",
    takes="images",
    parameters={"properties": {"epochs": {"type": "integer", "minimum": 1, "default": 30}}},
    presets={},
)


def add_models(app: FastAPI, shop: Shop) -> None:
    """The paths, answered from `shop`."""
    _add_promotion(app, shop)
    _add_training(app, shop)

    @app.get("/v1/models")
    def models(state: str | None = None, cursor: int = 0, limit: int = 50) -> Page[VersionOut]:
        found = [one for one in reversed(shop.versions.values()) if state in (None, one.state)]
        end = cursor + limit
        more = str(end) if end < len(found) else None
        return Page(items=found[cursor:end], next_cursor=more, total=len(found))

    @app.get("/v1/models/{version_id}")
    def version(version_id: str) -> VersionOut:
        if version_id not in shop.versions:
            raise NotFound(f"There is no model version {version_id}: list them.")
        return shop.versions[version_id]

    @app.patch("/v1/models/{version_id}")
    def change(version_id: str, change: VersionChange) -> VersionOut:
        one = version(version_id)
        if change.name in [other.name for other in shop.versions.values() if other != one]:
            raise Conflict(f"There is a model version called {change.name} already.")
        one.name = change.name or one.name
        if change.archived is not None:
            one.state = "archived" if change.archived else "ready"
        return one

    @app.delete("/v1/models/{version_id}", status_code=204)
    def delete(version_id: str) -> None:
        one = version(version_id)
        for child in shop.versions.values():
            if child.parent == one.name:
                raise Conflict(
                    f"{one.name} cannot be deleted, because {child.name} was trained from it."
                )
        del shop.versions[version_id]

    @app.put("/v1/models/import", status_code=201)
    async def bring(request: Request, name: str | None = None) -> VersionOut:
        data = await request.body()
        if not data.startswith(b"PK"):
            raise InvalidInput("The model is no zip: send what `akin models export` gave.")
        return add_version(shop, name or "brought in", recipe="combiner")

    @app.post("/v1/models/{version_id}/measure", status_code=202)
    def measure(version_id: str) -> JobOut:
        return add_job(shop, "evaluate", "queued", subject=version_id)

    @app.get("/v1/models/{version_id}/artefact")
    def artefact(version_id: str) -> Response:
        return Response(f"the zip of {version(version_id).name}", media_type="application/zip")


def _add_promotion(app: FastAPI, shop: Shop) -> None:
    @app.get("/v1/deployments/way-back")
    def way_back() -> DeploymentOut:
        if len(shop.deployments) < 2:
            raise NotFound("There is nothing to go back to: no earlier version has its gallery.")
        return shop.deployments[-2]

    @app.post("/v1/models/rollback")
    def rollback(request: RollbackRequest) -> PromotionOut:
        if len(shop.deployments) < 2:
            raise Conflict("There is nothing to go back to: no earlier version has its gallery.")
        now, before = shop.deployments[-1], shop.deployments[-2]
        told = f"rollback from {now.version}" + (f": {request.reason}" if request.reason else "")
        return deploy(shop, str(before.version_id), told, {"restores": before.id})

    @app.post("/v1/models/{version_id}/promote")
    def promote(version_id: str, request: PromoteRequest) -> PromotionOut:
        one = shop.versions[version_id]
        if request.override and not request.reason:
            raise InvalidInput("An override needs its reason: say why the gate does not hold here.")
        if not one.figures and not request.override:
            raise Conflict(
                f"{one.name} does not pass the gate (it was not measured); an admin can override "
                "that with a reason."
            )
        gate = {
            "passed": not request.override,
            "reason": "R@10 91.3",
            "overridden": request.override,
        }
        if one.gallery is None:
            shop.promotion = waiting(one, reason=request.reason)
            return shop.promotion
        return deploy(shop, version_id, request.reason or "R@10 91.3", gate)

    @app.get("/v1/promotion")
    def promotion() -> PromotionOut:
        if shop.promotion is None:
            raise NotFound("No promotion has waited for a gallery yet.")
        return shop.promotion

    @app.delete("/v1/promotion")
    def withdraw() -> PromotionOut:
        told = promotion()
        told.state = "withdrawn"
        return told

    @app.get("/v1/deployments")
    def deployments(cursor: int = 0, limit: int = 50) -> Page[DeploymentOut]:
        found = shop.deployments[::-1]
        end = cursor + limit
        more = str(end) if end < len(found) else None
        return Page(items=found[cursor:end], next_cursor=more, total=len(found))


def _add_training(app: FastAPI, shop: Shop) -> None:
    @app.get("/v1/recipes")
    def recipes() -> list[RecipeOut]:
        return [PIC2WORD, COMBINER]

    @app.post("/v1/train", status_code=202)
    def train(request: TrainRequest) -> JobOut:
        if request.name in [one.name for one in shop.versions.values()]:
            raise Conflict(
                f"There is a model version called {request.name} already: choose another name."
            )
        if request.parameters.get("lr") == 0:
            raise InvalidInput("The option lr is 0: it has to be greater than 0.")
        shop.trainings.append(request)
        return training(shop, request.name or "combiner of today")

    @app.get("/v1/jobs/{job_id}/curves")
    def curves(job_id: str) -> CurvesOut:
        points = shop.curves.get(job_id, [])
        return CurvesOut(points=points, last_step=points[-1].step if points else 0)

    @app.get("/v1/jobs/{job_id}/log")
    def log(job_id: str, limit: int = 200) -> LogOut:
        return LogOut(lines=shop.logs.get(job_id, [])[-limit:])


def training(shop: Shop, name: str, **facts: Any) -> JobOut:
    """A version in training, and its job."""
    version = add_version(shop, name, recipe="combiner", state="training")
    whole: dict[str, Any] = {"subject": version.id, "stage": "training", "done": 40, "total": 200}
    return add_job(shop, "train", "running", **whole | facts)


def add_version(shop: Shop, name: str, **facts: Any) -> VersionOut:
    """A version of the shop, ready and with the first one's image tower, with `facts` over that."""
    blank: dict[str, Any] = {
        "id": f"v{shop.number():04}",
        "name": name,
        "state": "ready",
        "active": False,
        "recipe": "none",
        "backbone": "akin-demo",
        "composer": "sum",
        "parent": None,
        "gallery": "g-9f86",
        "fingerprint": "9f86d081884c7d65" * 4,
        "text_fingerprint": None,
        "dim": 256,
        "figures": {},
        "actor": "ann",
        "created_at": OPENED,
        "promoted_at": None,
    }
    version = VersionOut.model_validate(blank | facts)
    shop.versions[version.id] = version
    return version


def deploy(
    shop: Shop, version_id: str, reason: str, gate: dict[str, Any] | None = None
) -> PromotionOut:
    """Let a version of the shop answer."""
    for one in shop.versions.values():
        one.active = one.id == version_id
    now = shop.versions[version_id]
    told = {"gallery": now.gallery, "actor": "ann", "reason": reason}
    row = {"id": len(shop.deployments) + 1, "version_id": now.id, "version": now.name}
    row |= told | {"gate": gate or {}, "created_at": datetime.now(UTC)}
    shop.deployments.append(DeploymentOut.model_validate(row))
    return waiting(now, state="deployed", gallery=now.gallery, reason=reason, held=48)


def waiting(version: VersionOut, **facts: Any) -> PromotionOut:
    """A promotion that waits for its gallery, with `facts` over that."""
    blank: dict[str, Any] = {
        "version_id": version.id,
        "version": version.name,
        "state": "waiting",
        "gallery": "g-new",
        "held": 12,
        "images": 48,
        "actor": "ann",
        "created_at": datetime.now(UTC),
    }
    return PromotionOut.model_validate(blank | facts)
