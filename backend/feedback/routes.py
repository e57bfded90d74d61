"""Feedback and triplets over HTTP."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, UploadFile
from pydantic import ValidationError

from backend.accounts.actor import Actor, require
from backend.catalogue.renditions import prepare_image, store_image
from backend.dependencies import get_runtime
from backend.errors import InvalidInput
from backend.feedback import examples, listing, service, triplet_routes
from backend.feedback.saying import keep_picture, said_of
from backend.feedback.schemas import (
    FeedbackCreate,
    FeedbackUpload,
    ReviewRequest,
    ReviewResult,
    Score,
    TripletFilter,
    TripletOrder,
    TripletOut,
    TripletSource,
    TripletSplit,
    TripletState,
    TripletSummary,
    TripletUpdate,
)
from backend.paging import Page
from backend.problems import PROBLEM_RESPONSES
from backend.runtime import Runtime
from backend.search.serving import served
from backend.search.windows import Window

router = APIRouter(prefix="/v1", tags=["feedback"], responses=PROBLEM_RESPONSES)
router.include_router(triplet_routes.router)  # first: one triplet is found by any other word

_SHOPPER, _MANAGER = Depends(require("shopper")), Depends(require("manager"))
_FORM = '{"search_id": "5cJ0rjE1o9yWlJcW9cXk3A", "image_id": "5d2b...", "keep_picture": true}'


@router.post(
    "/feedback",
    summary="Say of a result that it is the one, or is not",
    status_code=HTTPStatus.CREATED,
    responses=examples.KEPT,
)
def post_feedback(
    feedback: FeedbackCreate,
    request: Request,
    actor: Actor = _SHOPPER,
    runtime: Runtime = Depends(get_runtime),
) -> TripletOut:
    """Keeps the search's reference and words with this result: a triplet, once it is reviewed.

    The same click twice in one visit changes nothing; the other verdict takes the place of the
    first until somebody has reviewed it.
    """
    search_id = feedback.search_id
    window = None if search_id is None else _window(request, search_id)
    said = said_of(feedback, window)
    with runtime.database.write() as session:
        triplet_id, _ = service.record(session, said, actor.name)
        session.flush()
        return listing.find_triplet(session, triplet_id)


@router.post(
    "/feedback/upload",
    summary="The same of a search by a picture of one's own",
    status_code=HTTPStatus.CREATED,
    responses=examples.KEPT,
)
def post_feedback_upload(
    image: UploadFile,
    request: Request,
    feedback: Annotated[
        str, Form(description="A FeedbackUpload as JSON.", examples=[_FORM], max_length=20_000)
    ],
    actor: Actor = _SHOPPER,
    runtime: Runtime = Depends(get_runtime),
) -> TripletOut:
    """Keeps the picture too, with the triplet alone and only with consent (`keep_picture`): it is
    in no catalogue, and is deleted once the triplet is rejected or deleted."""
    told = _read(feedback)
    if not told.keep_picture:
        raise InvalidInput(
            "A picture of one's own is kept only with consent: send keep_picture: true, or no "
            "feedback."
        )
    window = None if told.search_id is None else _window(request, told.search_id)
    data = image.file.read(runtime.limits.max_bytes + 1)
    said = said_of(told, window, data)
    prepared = prepare_image(runtime.query_decoder, data, name=image.filename or "the picture")
    sha256 = store_image(runtime.blobs, prepared)
    with runtime.database.write() as session:
        keep_picture(session, sha256, prepared)
        triplet_id, _ = service.record(session, said, actor.name)
        session.flush()
        kept = listing.find_triplet(session, triplet_id)
    if not runtime.blobs.exists(sha256):  # an embed job removed the same bytes before the commit
        store_image(runtime.blobs, prepared)
    return kept


@router.get("/triplets", summary="List triplets", responses=examples.PAGE, dependencies=[_MANAGER])
def get_triplets(
    state: TripletState | None = None,
    source: TripletSource | None = None,
    split: TripletSplit | None = None,
    is_target: bool | None = None,
    score_at_least: Score | None = None,
    score_below: Score | None = None,
    order: Annotated[
        TripletOrder, Query(description="By time, or by score: best or worst first.")
    ] = "newest",
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    runtime: Runtime = Depends(get_runtime),
) -> Page[TripletOut]:
    """One page of the triplets that match; `total` counts them all."""
    wanted = TripletFilter(
        state=state,
        source=source,
        split=split,
        is_target=is_target,
        score_at_least=score_at_least,
        score_below=score_below,
    )
    with runtime.database.read() as session:
        return listing.list_triplets(session, wanted, order=order, cursor=cursor, limit=limit)


@router.get(
    "/triplets/summary",
    summary="How many triplets there are",
    responses=examples.SUMMARY,
    dependencies=[_MANAGER],
)
def get_summary(runtime: Runtime = Depends(get_runtime)) -> TripletSummary:
    """By state and source; the accepted ones by the split of their products."""
    with runtime.database.read() as session:
        return listing.summary(session)


@router.post("/triplets/review", summary="Review many triplets", responses=examples.REVIEWED)
def post_review(
    wanted: ReviewRequest,
    actor: Actor = _MANAGER,
    runtime: Runtime = Depends(get_runtime),
) -> ReviewResult:
    """Accept or reject those named, or what a filter finds; without a state in it, candidates."""
    with runtime.database.write() as session:
        if wanted.ids is not None:
            ids, found = wanted.ids, len(wanted.ids)
        else:
            ids, found = listing.ids_to_review(session, wanted)
        changed = service.review(session, runtime.queue, ids, wanted.state, actor.name)
    return ReviewResult(changed=changed, left=found - len(ids))


@router.get(
    "/triplets/{triplet_id}",
    summary="Get a triplet",
    responses=examples.TRIPLET,
    dependencies=[_MANAGER],
)
def get_triplet(triplet_id: str, runtime: Runtime = Depends(get_runtime)) -> TripletOut:
    """One triplet with both of its pictures."""
    with runtime.database.read() as session:
        return listing.find_triplet(session, triplet_id)


@router.patch("/triplets/{triplet_id}", summary="Review a triplet", responses=examples.TRIPLET)
def patch_triplet(
    triplet_id: str,
    wanted: TripletUpdate,
    actor: Actor = _MANAGER,
    runtime: Runtime = Depends(get_runtime),
) -> TripletOut:
    """Accept it, reject it, or correct its sentence."""
    with runtime.database.write() as session:
        service.change(session, runtime.queue, triplet_id, wanted, actor.name)
        session.flush()
        return listing.find_triplet(session, triplet_id)


def _window(request: Request, search_id: str) -> Window:
    """The search that is judged, of whichever version answered it."""
    with served(getattr(request.app.state, "serving", None)).using(search_id) as service:
        return service.window(search_id)


def _read(text: str) -> FeedbackUpload:
    try:
        return FeedbackUpload.model_validate_json(text)
    except ValidationError as error:
        told = [
            f"{'.'.join(str(part) for part in one['loc']) or 'it'}: {one['msg']}"
            for one in error.errors()[:5]
        ]
        raise InvalidInput(
            f"The form field 'feedback' is not feedback as JSON: {'; '.join(told)}."
        ) from error
