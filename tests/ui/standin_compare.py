"""The part of the stand-in that compares model versions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Form, UploadFile

from backend.errors import Conflict
from backend.jobs.schemas import JobOut
from backend.registry.schemas import VersionOut
from backend.search.compare_schemas import ComparedAnswer, ComparedSearch, CompareSearchRequest
from backend.search.schemas import SearchResponse
from backend.training.measuring_schemas import CompareRequest
from tests.ui import standin_models
from tests.ui.shop import Shop
from tests.ui.shop_jobs import add_job


def add_compare(app: FastAPI, shop: Shop) -> None:
    """The paths, answered from `shop`."""

    @app.post("/v1/models/compare", status_code=202)
    def compare(request: CompareRequest) -> JobOut:
        return add_job(shop, "compare", "queued", parameters=request.model_dump())

    @app.post("/v1/models/compare/search")
    def search(request: CompareSearchRequest) -> ComparedSearch:
        return compared(shop, request)

    @app.post("/v1/models/compare/search/upload")
    def upload(image: UploadFile, request: Annotated[str, Form()]) -> ComparedSearch:
        return compared(shop, CompareSearchRequest.model_validate_json(request), image.file.read())


def compared(
    shop: Shop, request: CompareSearchRequest, image: bytes | None = None
) -> ComparedSearch:
    """The second version finds the same the other way round, but for the last product."""
    first = shop.search(request.query, image)
    assert request.versions is not None
    if request.versions[1] == "v-blind":
        raise Conflict("blind has not seen the whole catalogue yet: promote it, or wait.")
    hits = [hit.model_copy(deep=True) for hit in reversed(first.results[:-1])]
    for rank, hit in enumerate(hits, 1):
        hit.rank = rank
    second = first.model_copy(update={"results": hits})
    pairs = ((first, second), (second, first))
    return ComparedSearch(
        answers=[
            ComparedAnswer(version_id=version, answer=one, other_ranks=_ranks(one, other))
            for version, (one, other) in zip(request.versions, pairs, strict=True)
        ]
    )


def add_version(shop: Shop, name: str, **facts: Any) -> VersionOut:
    """A trained version of the shop, ready, with `facts` over that."""
    trained: dict[str, Any] = {
        "id": f"v-{name}",
        "recipe": "combiner",
        "composer": "combiner",
        "fingerprint": "9f86" * 16,
    }
    return standin_models.add_version(shop, name, **(trained | facts))


def _ranks(one: SearchResponse, other: SearchResponse) -> dict[str, int | None]:
    places = {hit.product.id: hit.rank for hit in other.results}
    return {hit.product.id: places.get(hit.product.id) for hit in one.results}
