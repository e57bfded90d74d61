"""One query under two versions side by side, over HTTP."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Form, UploadFile

from backend.accounts.actor import require
from backend.dependencies import get_runtime, get_serving
from backend.problems import PROBLEM_RESPONSES
from backend.runtime import Runtime
from backend.search.compare_schemas import ComparedSearch, CompareSearchRequest
from backend.search.comparing import compared, versions_to_compare
from backend.search.examples import ANSWER
from backend.search.routes import read_form, read_picture
from backend.search.schemas import SearchRequest
from backend.search.service import SearchService
from backend.search.serving import Serving

_SEARCHED = ANSWER[200]["content"]["application/json"]["example"]
_PRODUCT_ID = _SEARCHED["results"][0]["product"]["id"]
COMPARED = {
    "answers": [
        {
            "version_id": "0b9f2f0e-6d0c-4f59-9a3f-2f6b8a1b7c11",
            "answer": _SEARCHED | {"version": "combiner of November", "composer": "combiner"},
            "other_ranks": {_PRODUCT_ID: 4},
        },
        {
            "version_id": "5f1c2b7e-93a1-4a7e-8d2f-0c9a4be07d11",
            "answer": _SEARCHED,
            "other_ranks": {_PRODUCT_ID: None},
        },
    ]
}
_FORM = '{"query": {"text": "but red and with long sleeves"}}'
_one_at_a_time = CapacityLimiter(1)  # each may hold two more models in memory

router = APIRouter(
    prefix="/v1/models/compare/search",
    tags=["model"],
    responses={
        **PROBLEM_RESPONSES,
        200: {"content": {"application/json": {"example": COMPARED}}},
    },
    dependencies=[Depends(require("admin"))],
)


@router.post("", summary="Ask two versions the same")
async def compare_search(
    request: CompareSearchRequest,
    runtime: Runtime = Depends(get_runtime),
    serving: Serving = Depends(get_serving),
) -> ComparedSearch:
    """Both answers, each from the version's own gallery, and for every product its rank in the
    other answer. A version that is not in memory is loaded, which takes seconds."""
    return await _compared(request, runtime, serving)


@router.post("/upload", summary="Ask two versions the same, with a picture of one's own")
async def compare_search_upload(
    image: UploadFile,
    request: Annotated[
        str,
        Form(description="A CompareSearchRequest as JSON, without reference.", examples=[_FORM]),
    ],
    runtime: Runtime = Depends(get_runtime),
    serving: Serving = Depends(get_serving),
) -> ComparedSearch:
    """As without `/upload`, with an uploaded picture as the reference; it is not stored."""
    asked, name = read_form(request, CompareSearchRequest), image.filename or "the picture"
    data = await to_thread.run_sync(read_picture, image, name, runtime)
    return await _compared(asked, runtime, serving, data, name)


async def _compared(
    asked: CompareSearchRequest,
    runtime: Runtime,
    serving: Serving,
    image: bytes | None = None,
    name: str = "",
) -> ComparedSearch:
    query: SearchRequest = asked.query
    async with _one_at_a_time:
        with ExitStack() as held:

            def load() -> list[SearchService]:
                with runtime.database.read() as session:
                    versions = versions_to_compare(session, asked.versions)
                return [held.enter_context(serving.using_version(one)) for one in versions]

            services = await to_thread.run_sync(load)
            return await serving.turns.take(lambda: compared(services, query, image, name))
