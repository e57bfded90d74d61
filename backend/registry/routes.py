"""The registry over HTTP."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from backend.accounts.actor import require
from backend.dependencies import get_runtime
from backend.problems import PROBLEM_RESPONSES
from backend.registry import service
from backend.registry.schemas import ModelInfo
from backend.runtime import Runtime

router = APIRouter(
    prefix="/v1",
    tags=["model"],
    responses=PROBLEM_RESPONSES,
    dependencies=[Depends(require("shopper"))],
)

_EXAMPLE = {
    "version": "akin-demo · sum",
    "backbone": "akin-demo",
    "composer": "sum",
    "composers": [
        {
            "name": "sum",
            "label": "Sum of picture and words",
            "description": "Looks for what is near to the picture and to the words, both alike.",
        }
    ],
    "fingerprint": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "dim": 256,
    "context_length": 77,
    "demo": True,
}


@router.get(
    "/model",
    summary="What answers today",
    responses={200: {"content": {"application/json": {"example": _EXAMPLE}}}},
)
def get_model(runtime: Runtime = Depends(get_runtime)) -> ModelInfo:
    """The active model version, its backbone and the composers it can answer with."""
    backbone = runtime.backbone()
    with runtime.database.read() as session:
        return service.model_info(session, backbone)
