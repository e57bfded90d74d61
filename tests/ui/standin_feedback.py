"""The stand-in's feedback and triplets."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from fastapi import FastAPI, Form, Response, UploadFile

from backend.errors import Conflict, NotFound
from backend.feedback.formats import Refusal, read_file
from backend.feedback.schemas import (
    FeedbackCreate,
    FeedbackUpload,
    HeldOut,
    HoldOut,
    RefusedRow,
    ReviewRequest,
    ReviewResult,
    TripletImport,
    TripletOrder,
    TripletOut,
    TripletSummary,
    TripletUpdate,
)
from backend.jobs.schemas import JobOut
from backend.paging import Page
from tests.ui.shop import Shop


def add_feedback(app: FastAPI, shop: Shop) -> None:
    """What shoppers say, and what managers do with it."""

    @app.post("/v1/feedback", status_code=201)
    def feedback(said: FeedbackCreate) -> TripletOut:
        return _keep(shop, said)

    @app.post("/v1/feedback/upload", status_code=201)
    def feedback_upload(image: UploadFile, feedback: Annotated[str, Form()]) -> TripletOut:
        said = FeedbackUpload.model_validate_json(feedback)
        assert said.keep_picture
        shop.kept_pictures.append(image.file.read())
        return _keep(shop, said)

    _add_review(app, shop)
    _add_tools(app, shop)


def _add_review(app: FastAPI, shop: Shop) -> None:
    @app.get("/v1/triplets")
    def triplets(
        state: str | None = None,
        source: str | None = None,
        score_at_least: float | None = None,
        score_below: float | None = None,
        order: TripletOrder = "newest",
        cursor: int = 0,
        limit: int = 50,
    ) -> Page[TripletOut]:
        found = _matching(shop, state, source, score_at_least, score_below)
        if order != "newest":
            found.sort(key=lambda one: _score(one), reverse=order == "best")
        end = cursor + limit
        further = str(end) if end < len(found) else None
        return Page(items=found[cursor:end], next_cursor=further, total=len(found))

    @app.get("/v1/triplets/summary")
    def summary() -> TripletSummary:
        told = list(shop.triplets.values())
        accepted = [one for one in told if one.state == "accepted"]
        return TripletSummary(
            states=Counter(one.state for one in told),
            sources=Counter(one.source for one in told),
            accepted_splits=Counter(one.split for one in accepted if one.is_target),
            accepted_against=sum(not one.is_target for one in accepted),
            unscored=sum(one.score is None and one.state == "candidate" for one in told),
        )

    @app.patch("/v1/triplets/{triplet_id}")
    def update(triplet_id: str, change: TripletUpdate) -> TripletOut:
        if triplet_id not in shop.triplets:
            raise NotFound(f"There is no triplet {triplet_id}: its product may have been deleted.")
        told = shop.triplets[triplet_id].model_copy(update=change.model_dump(exclude_none=True))
        shop.triplets[triplet_id] = told
        return told

    @app.post("/v1/triplets/review")
    def review(wanted: ReviewRequest) -> ReviewResult:
        assert wanted.filter is not None
        asked = wanted.filter
        found = _matching(shop, "candidate", asked.source, asked.score_at_least, asked.score_below)
        for one in found:
            update(one.id, TripletUpdate(state=wanted.state))
        return ReviewResult(changed=len(found), left=0)


def _add_tools(app: FastAPI, shop: Shop) -> None:
    @app.post("/v1/triplets/score", status_code=202)
    def score() -> JobOut:
        from tests.ui.shop_jobs import add_job

        for number, one in enumerate(shop.triplets.values()):
            one.score = round((number + 0.5) / len(shop.triplets), 3)
        return add_job(shop, "score", "done", done=len(shop.triplets))

    @app.post("/v1/triplets/import", status_code=201)
    def bring(file: UploadFile, source: Annotated[str, Form()]) -> TripletImport:
        form, rows = read_file(file.file.read(), file.filename or "file")
        one, other, *_ = shop.products.values()
        good = [row for row in rows if not isinstance(row, Refusal)]
        for row in good:
            shop.triplet(one, row.sentences[0], other, source=source)
        refused = [row for row in rows if isinstance(row, Refusal)]
        return TripletImport(
            format=form,
            rows=len(rows),
            created=len(good),
            unchanged=0,
            refused=len(refused),
            refusals=[RefusedRow(row=row.number, reason=row.reason) for row in refused],
        )

    @app.get("/v1/triplets/export")
    def export(format: str) -> Response:  # noqa: A002 - as in the address
        headers = {"Content-Disposition": 'attachment; filename="triplets.jsonl"'}
        return Response(f"{format}: {len(shop.triplets)}", headers=headers)

    @app.post("/v1/triplets/hold-out")
    def hold_out(wanted: HoldOut) -> HeldOut:
        accepted = [one for one in shop.triplets.values() if one.state == "accepted"]
        if len(accepted) < 2:
            raise Conflict("Accepted triplets join their products: hold out a larger share.")
        accepted[0].split = wanted.split
        return HeldOut(products=2, triplets=1, accepted=len(accepted))


def _score(one: TripletOut) -> float:
    return -1 if one.score is None else one.score


def _matching(
    shop: Shop, state: Any, source: Any, least: float | None, below: float | None
) -> list[TripletOut]:
    return [
        one
        for one in reversed(shop.triplets.values())
        if state in (None, one.state)
        and source in (None, one.source)
        and (least is None or _score(one) >= least)
        and (below is None or 0 <= _score(one) < below)
    ]


def _keep(shop: Shop, said: FeedbackCreate) -> TripletOut:
    if said.search_id is not None and not shop.search_is_kept:
        raise NotFound("This search is no longer kept: search again.")
    shop.said.append(said)
    one, other, *_ = (product for product in shop.products.values() if product.images)
    return shop.triplets[shop.triplet(one, "in red", other)]
