"""The galleries over HTTP: how far each holds the catalogue."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from backend.accounts.actor import require
from backend.dependencies import get_runtime
from backend.problems import PROBLEM_RESPONSES
from backend.registry.gallery_schemas import GalleriesOut
from backend.registry.gallery_states import read_states, with_points
from backend.runtime import Runtime

router = APIRouter(
    prefix="/v1",
    tags=["galleries"],
    responses={403: PROBLEM_RESPONSES[403]},
    dependencies=[Depends(require("manager"))],
)

_JOB = {
    "id": "0198c3a4-58f2-4f6e-9d0b-0c2f5a6f7e11",
    "kind": "reconcile",
    "state": "done",
    "stage": None,
    "done": 3000,
    "failed": 0,
    "total": 3000,
    "error": None,
    "attempts": 1,
    "parameters": {"mend": False, "deep": False},
    "result": {
        "images": 1500,
        "points": 1499,
        "blobs": 1500,
        "rows_without_point": 2,
        "points_without_row": 1,
        "lost": 0,
        "galleries": {"g-9f86d081884c": {"rows_without_point": 2, "points_without_row": 1}},
    },
    "actor": "ann",
    "created_at": "2026-11-26T12:00:00Z",
    "started_at": "2026-11-26T12:00:01Z",
    "finished_at": "2026-11-26T12:00:03Z",
    "rate": None,
    "seconds_left": None,
}
_EXAMPLE = {
    "galleries": [
        {
            "id": "g-9f86d081884c",
            "fingerprint": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "dim": 256,
            "active": True,
            "versions": ["combiner of November", "akin-demo · sum"],
            "created_at": "2026-11-01T12:00:00Z",
            "images": 1500,
            "embedded": 1490,
            "stale": 4,
            "missing": 0,
            "refused": 6,
            "share": 0.9933333333333333,
            "complete": False,
            "held": 1494,
            "points": 1493,
            "layout": "1 shard, 1 replica, vectors in memory, not quantized, 0 in the search graph",
            "problem": None,
            "refusals": [
                {
                    "image_id": "5f0c6f3e-58f2-4f6e-9d0b-0c2f5a6f7e11",
                    "product_id": "0b9f2f0e-6d0c-4f59-9a3f-2f6b8a1b7c11",
                    "sku": "TEE-0042",
                    "reason": "The stored bytes of the image of TEE-0042 are gone: import the same "
                    "picture again, or delete the image.",
                }
            ],
            "job": None,
            "found": {"rows_without_point": 2, "points_without_row": 1},
        }
    ],
    "reconciling": None,
    "reconciled": _JOB,
}


@router.get(
    "/galleries",
    summary="How far each gallery holds the catalogue",
    responses={200: {"content": {"application/json": {"example": _EXAMPLE}}}},
)
def get_galleries(runtime: Runtime = Depends(get_runtime)) -> GalleriesOut:
    """Every gallery with its coverage, counted now, and what the last reconciliation found."""
    with runtime.database.read() as session:
        states = read_states(session)
    return with_points(states, runtime.galleries)
