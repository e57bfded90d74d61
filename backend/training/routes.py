"""Training over HTTP: recipes, a new training job, its curves and its log."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query, Request

from backend.accounts.actor import Actor, require
from backend.dependencies import get_runtime
from backend.jobs import service as jobs
from backend.jobs.schemas import JobOut
from backend.problems import PROBLEM_RESPONSES
from backend.runtime import Runtime
from backend.training import curves, service
from backend.training.recipes import Recipes, chosen_recipe
from backend.training.schemas import CurvesOut, LogOut, RecipeOut, TrainRequest
from backend.whole_numbers import LARGEST

router = APIRouter(
    prefix="/v1",
    tags=["training"],
    responses={status: PROBLEM_RESPONSES[status] for status in (403, 404, 409, 422, 503)},
)
_ADMIN = Depends(require("admin"))
_MANAGER = Depends(require("manager"))

_RECIPE = {
    "name": "combiner",
    "about": "A small network that learns from triplets how words change a picture (CLIP4Cir).",
    "data": "triplets: FashionIQ, CIRR, Wardrobe or an exported catalogue",
    "takes": "triplets",
    "parameters": {
        "type": "object",
        "properties": {"batch": {"type": "integer", "minimum": 2, "default": 4096}},
    },
    "presets": {"small-data": {"batch": 512, "epochs": 60}},
}
_JOB = {
    "id": "0198c3a4-58f2-4f6e-9d0b-0c2f5a6f7e12",
    "kind": "train",
    "subject": "0b9f2f0e-6d0c-4f59-9a3f-2f6b8a1b7c11",
    "state": "queued",
    "stage": None,
    "done": 0,
    "failed": 0,
    "total": None,
    "error": None,
    "attempts": 0,
    "parameters": {"recipe": "combiner", "version": "combiner of November"},
    "result": {},
    "actor": "ann",
    "created_at": "2026-01-01T12:00:00Z",
    "started_at": None,
    "finished_at": None,
    "rate": None,
    "seconds_left": None,
}
_CURVES = {
    "points": [
        {
            "step": 40,
            "epoch": 4.0,
            "loss": 2.31,
            "lr": 0.001,
            "seconds": 3.2,
            "figures": {"R@1": 31.0, "R@10": 78.5},
        }
    ],
    "last_step": 40,
}
_LOG = {
    "lines": [
        {
            "number": 1,
            "text": "2 of 200 texts are cut: the model reads no more.",
            "created_at": "2026-01-01T12:00:02Z",
        }
    ]
}


async def get_recipes(request: Request) -> Recipes:
    """What gives the recipes that this server can train by."""
    return cast(Recipes, request.app.state.recipes)


@router.get(
    "/recipes",
    summary="The training methods",
    dependencies=[_ADMIN],
    responses={200: {"content": {"application/json": {"example": [_RECIPE]}}}},
)
def list_recipes(recipes: Recipes = Depends(get_recipes)) -> list[RecipeOut]:
    """Each recipe with the JSON schema of its options, of which a form can be made."""
    return [one.out for one in recipes().values()]


@router.post(
    "/train",
    status_code=202,
    summary="Train a model version",
    responses={202: {"content": {"application/json": {"example": _JOB}}}},
)
def train(
    request: TrainRequest,
    actor: Actor = _ADMIN,
    recipes: Recipes = Depends(get_recipes),
    runtime: Runtime = Depends(get_runtime),
) -> JobOut:
    """Start a training job. The version that it makes is there from now on, in training; it is
    ready once the job is done, with its figures on the held-out triplets."""
    recipe = chosen_recipe(recipes(), request.recipe)
    parameters = service.checked(request, recipe, runtime.settings)
    with runtime.database.write() as session:
        job = service.start(session, runtime.queue, request, parameters, actor.name)
        return jobs.to_schema(job)


@router.get(
    "/jobs/{job_id}/curves",
    summary="The curves of a training job",
    dependencies=[_MANAGER],
    responses={200: {"content": {"application/json": {"example": _CURVES}}}},
)
def get_curves(
    job_id: str,
    after: Annotated[int, Query(ge=0, le=LARGEST, description="Only points behind this step.")] = 0,
    limit: Annotated[int, Query(ge=2, le=2_000)] = 500,
    runtime: Runtime = Depends(get_runtime),
) -> CurvesOut:
    """Loss and figures by step, as far as the run is; thinned to `limit` points."""
    with runtime.database.read() as session:
        jobs.get(session, job_id)
        return curves.curves(session, job_id, after=after, limit=limit)


@router.get(
    "/jobs/{job_id}/log",
    summary="The log of a training job",
    dependencies=[_MANAGER],
    responses={200: {"content": {"application/json": {"example": _LOG}}}},
)
def get_log(
    job_id: str,
    after: Annotated[int, Query(ge=0, le=LARGEST, description="Only lines behind this one.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
    runtime: Runtime = Depends(get_runtime),
) -> LogOut:
    """The newest lines: what was left out, how each segment ended."""
    with runtime.database.read() as session:
        jobs.get(session, job_id)
        return curves.log_lines(session, job_id, after=after, limit=limit)
