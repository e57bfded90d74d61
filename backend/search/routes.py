"""Search over HTTP: as JSON, or with a picture of one's own as a form."""

from __future__ import annotations

from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Form, Response, UploadFile
from pydantic import BaseModel, ValidationError

from backend.accounts.actor import require
from backend.dependencies import get_runtime, get_serving
from backend.errors import InvalidInput, TooLarge
from backend.problems import PROBLEM_RESPONSES
from backend.runtime import Runtime
from backend.search.examples import ANSWER
from backend.search.schemas import SearchRequest, SearchResponse
from backend.search.serving import Serving
from backend.stopwatch import Stopwatch

_FORM = '{"text": "but red and with long sleeves", "filters": ["price=10..40"]}'

Asked = TypeVar("Asked", bound=BaseModel)

router = APIRouter(
    prefix="/v1/search",
    tags=["search"],
    responses=PROBLEM_RESPONSES,
    dependencies=[Depends(require("shopper"))],
)


@router.post("", summary="Ask a composed query", responses=ANSWER, response_model=SearchResponse)
async def search(query: SearchRequest, serving: Serving = Depends(get_serving)) -> Response:
    """Products like the reference, changed as the text says.

    The reference is a product or an image of the catalogue; it or the text may be missing. Give
    the answer's `search_id` with another `offset` for the next page of the same search: it is kept
    for ten minutes.
    """
    watch = Stopwatch()
    return await serving.turns.take(lambda: _answer(serving, query, watch))


@router.post(
    "/upload",
    summary="Ask with a picture of one's own",
    responses=ANSWER,
    response_model=SearchResponse,
)
async def search_upload(
    image: UploadFile,
    request: Annotated[
        str, Form(description="A SearchRequest as JSON, without reference.", examples=[_FORM])
    ] = "{}",
    runtime: Runtime = Depends(get_runtime),
    serving: Serving = Depends(get_serving),
) -> Response:
    """As `/v1/search`, with an uploaded picture as the reference; it is not stored."""
    query, watch = read_form(request, SearchRequest), Stopwatch()
    name = image.filename or "the picture"

    def work() -> Response:
        return _answer(serving, query, watch, read_picture(image, name, runtime), name)

    return await serving.turns.take(work)


def _answer(
    serving: Serving,
    query: SearchRequest,
    watch: Stopwatch,
    image: bytes | None = None,
    name: str = "",
) -> Response:
    """Written as JSON here, in the thread that searched: the event loop serves all clients."""
    watch.add("wait", watch.seconds()["total"])
    with serving.using(query.search_id) as service:
        answer = service.search(query, image=image, name=name, watch=watch)
    return Response(answer.model_dump_json(), media_type="application/json")


def read_form(text: str, kind: type[Asked]) -> Asked:
    """The form field `request`; raises InvalidInput."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        told = [
            f"{'.'.join(str(part) for part in one['loc']) or 'it'}: {one['msg']}"
            for one in error.errors()
        ]
        raise InvalidInput(
            f"The form field 'request' is not a search request as JSON: {'; '.join(told)}."
        ) from error


def read_picture(image: UploadFile, name: str, runtime: Runtime) -> bytes:
    """The bytes of an uploaded picture; raises TooLarge."""
    size, limit = image.size or 0, runtime.limits.max_bytes
    if size > limit:
        raise TooLarge(
            f"There are {size:,} bytes in {name}, and {limit:,} are allowed: send a smaller "
            "picture."
        )
    return image.file.read()
