"""Whether the service lives, is ready, and how it does."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from backend.problems import PROBLEM_RESPONSES
from backend.search.serving import served

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """A plain yes."""

    status: str = "ok"


@router.get("/healthz", summary="The process lives")
async def healthz() -> Health:
    """Yes, as long as it can answer at all: it waits for no thread and asks no other part."""
    return Health()


@router.get("/readyz", summary="Searches will be answered", responses={503: PROBLEM_RESPONSES[503]})
async def readyz(request: Request) -> Health:
    """Yes, if the model is loaded, and the database (its tables of this version), the gallery and
    in the server profile the broker answer, each within three seconds; else 503 names the part."""
    served(getattr(request.app.state, "serving", None))
    await request.app.state.readiness.check()
    return Health()


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
def metrics(request: Request) -> Response:
    """What this process counted and timed, and what stands in SQL, the broker and the galleries.

    The latter is read at most every ten seconds; where a part does not answer the rest is told.
    """
    text = generate_latest() + request.app.state.gauges.text()
    return Response(text, media_type=CONTENT_TYPE_LATEST)
