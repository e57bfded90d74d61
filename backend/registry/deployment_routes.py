"""Promotion and rollback over HTTP."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from backend.accounts.actor import Actor, current_actor, require
from backend.dependencies import get_runtime, get_serving
from backend.paging import Page
from backend.problems import PROBLEM_RESPONSES
from backend.registry import history, promotion
from backend.registry.deployments import Active, active, before, to_active
from backend.registry.replicas import preload
from backend.registry.schemas import (
    DeploymentOut,
    PromoteRequest,
    PromotionOut,
    RollbackRequest,
)
from backend.registry.tables import Deployment, Promotion
from backend.runtime import Runtime
from backend.search.serving import Serving

router = APIRouter(
    prefix="/v1",
    tags=["model"],
    responses=PROBLEM_RESPONSES,
    dependencies=[Depends(require("admin"))],
)

_DEPLOYMENT = {
    "id": 7,
    "version_id": "0b9f2f0e-6d0c-4f59-9a3f-2f6b8a1b7c11",
    "version": "combiner of November",
    "gallery": "g-9f86d081884c",
    "actor": "ann",
    "reason": "R@10 91.3 on 240 held-out triplets, akin-demo · sum has 88.9",
    "gate": {"passed": True, "reason": "R@10 91.3 on 240 held-out triplets", "overridden": False},
    "created_at": "2026-11-26T12:30:00Z",
}
_PROMOTION = {
    "version_id": "0b9f2f0e-6d0c-4f59-9a3f-2f6b8a1b7c11",
    "version": "combiner of November",
    "state": "deployed",
    "gallery": "g-9f86d081884c",
    "held": 1500,
    "images": 1500,
    "job": None,
    "error": None,
    "reason": "better on held-out triplets",
    "actor": "ann",
    "created_at": "2026-11-26T12:30:00Z",
}


def _example(value: Any) -> dict[str, Any]:
    return {"content": {"application/json": {"example": value}}}


_PAGE = {"items": [_DEPLOYMENT], "next_cursor": None, "total": 1}
_WAITS = _PROMOTION | {"state": "waiting", "held": 480, "job": "0198c3a4-58f2-4f6e-9d0b-0c2f5a6f"}


@router.post(
    "/models/{version_id}/promote",
    summary="Let a version answer searches",
    responses={200: _example(_PROMOTION), 202: {"model": PromotionOut} | _example(_WAITS)},
)
def promote(
    version_id: str,
    request: PromoteRequest,
    response: Response,
    actor: Actor = Depends(current_actor),
    runtime: Runtime = Depends(get_runtime),
    serving: Serving = Depends(get_serving),
) -> PromotionOut:
    """At once where the version's image tower is the active one's, or its gallery is still kept.

    A new image tower answers 202: a job fills its gallery, and the version takes over as soon as
    that holds the catalogue. Searches go on meanwhile.
    """
    _prepare(runtime, serving, version_id, request)
    with runtime.database.write() as session:
        done = promotion.promote(
            session,
            runtime.queue,
            version_id,
            actor=actor.name,
            reason=request.reason,
            override=request.override,
        )
        if isinstance(done, Promotion):
            response.status_code = 202
            return history.promoting(session, done)
        told = history.deployed(session, done)
    serving.follow()
    return told


@router.post(
    "/models/rollback",
    summary="Let the version before answer again",
    responses={200: _example(_PROMOTION | {"reason": "rollback from combiner of November"})},
)
def rollback(
    request: RollbackRequest,
    actor: Actor = Depends(current_actor),
    runtime: Runtime = Depends(get_runtime),
    serving: Serving = Depends(get_serving),
) -> PromotionOut:
    """At once, as long as its gallery is kept."""
    with runtime.database.read() as session:
        earlier = before(session, active(session))
    if earlier is not None:
        _load_everywhere(runtime, serving, earlier)
    with runtime.database.write() as session:
        now = promotion.rollback(session, actor=actor.name, reason=request.reason)
        told = history.deployed(session, now)
    serving.follow()
    return told


@router.get("/deployments", summary="What answered when", responses={200: _example(_PAGE)})
def get_deployments(
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    runtime: Runtime = Depends(get_runtime),
) -> Page[DeploymentOut]:
    """One page of all promotions and rollbacks, newest first; the newest is what is active."""
    with runtime.database.read() as session:
        return history.list_deployments(session, cursor=cursor, limit=limit)


@router.get(
    "/deployments/way-back",
    summary="What a rollback would bring back",
    responses={200: _example(_DEPLOYMENT)},
)
def get_way_back(runtime: Runtime = Depends(get_runtime)) -> DeploymentOut:
    """The version that would answer again, by its name of today, and when it did; 404 where there
    is nothing to go back to."""
    with runtime.database.read() as session:
        return history.way_back(session)


@router.get("/promotion", summary="The promotion that waits", responses={200: _example(_WAITS)})
def get_promotion(runtime: Runtime = Depends(get_runtime)) -> PromotionOut:
    """How far the gallery of a new image tower is; else how the last such promotion ended."""
    with runtime.database.read() as session:
        return history.last_promotion(session)


@router.delete(
    "/promotion",
    summary="Withdraw the promotion that waits",
    responses={200: _example(_WAITS | {"state": "withdrawn"})},
)
def withdraw(
    actor: Actor = Depends(current_actor), runtime: Runtime = Depends(get_runtime)
) -> PromotionOut:
    """The active version goes on answering; the new gallery is dropped in a while."""
    with runtime.database.write() as session:
        return history.promoting(session, promotion.withdraw(session, actor.name))


def _prepare(runtime: Runtime, serving: Serving, version_id: str, request: PromoteRequest) -> None:
    """Load a version before the row is written, if it could take over at once; a waiting one is
    loaded when it does, and one that may not take over is refused before anybody loads it."""
    wanted = _at_once(runtime, version_id, request)
    if wanted is not None:
        _load_everywhere(runtime, serving, wanted)


def _load_everywhere(runtime: Runtime, serving: Serving, version: Active) -> None:
    """In this process, and in every other that answers, at the same time: none of them lags behind
    the row."""
    load = partial(serving.prepare, version)
    if runtime.settings.embedded:
        load()
    else:
        preload(runtime.database, (version.version_id, version.gallery_id), meanwhile=load)


def _at_once(runtime: Runtime, version_id: str, request: PromoteRequest) -> Active | None:
    with runtime.database.read() as session:
        now, version, _ = promotion.candidate(
            session, version_id, reason=request.reason, override=request.override
        )
        gallery_id = f"g-{version.fingerprint[:12]}"
        if promotion.lacking(session, gallery_id, now.gallery_id):
            return None
        return to_active(version, Deployment(id=0, gallery_id=gallery_id))
