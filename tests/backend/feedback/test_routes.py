"""Feedback and triplets over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy import func, select

from backend.catalogue import service as catalogue
from backend.catalogue.schemas import BulkEdit
from backend.catalogue.tables import Blob
from backend.client import AkinClient, ApiError
from backend.feedback.schemas import (
    FeedbackCreate,
    FeedbackUpload,
    ReviewRequest,
    ReviewResult,
    TripletFilter,
    TripletOut,
    TripletSummary,
    TripletUpdate,
)
from backend.paging import Page
from backend.search.schemas import SearchRequest, SearchResponse
from tests.backend.search.shop import Shop, picture


def ask(client: AkinClient, **asked) -> SearchResponse:
    return client.search(SearchRequest(**{"reference_sku": "TEE-red", "text": "in blue"} | asked))


def click(client: AkinClient, answer: SearchResponse, place: int = 0, **said) -> TripletOut:
    hit = answer.results[place]
    return client.give_feedback(
        FeedbackCreate(search_id=answer.search_id, image_id=hit.image_id, **said)
    )


def test_a_click_keeps_what_was_really_asked(client: AkinClient, shop: Shop) -> None:
    answer = ask(client, text=" in blue ", without=["dots"], strength=0.2, composer="slerp")
    kept = click(client, answer, 1, session="visit", text="something else")
    assert kept.reference.sku == "TEE-red"
    assert kept.target.sku == answer.results[1].product.sku
    assert (kept.caption, kept.without, kept.strength, kept.rank) == ("in blue", ["dots"], 0.2, 2)
    assert (kept.model_version, kept.gallery) == (answer.version, answer.gallery)
    assert kept.composer == answer.composer == "slerp"
    assert (kept.state, kept.source, kept.split, kept.score) == (
        "candidate",
        "feedback",
        "train",
        None,
    )
    assert (kept.session, kept.actor, kept.is_target) == ("visit", "local", True)
    assert client.triplet(kept.id) == kept


def test_the_same_click_again_is_the_same_triplet(client: AkinClient) -> None:
    answer = ask(client)
    first = click(client, answer)
    assert click(client, answer).id == first.id
    assert not click(client, answer, is_target=False).is_target
    assert client.triplets().total == 1


def test_a_search_that_is_no_longer_kept_can_be_told(client: AkinClient) -> None:
    at = {hit.product.sku: hit.image_id for hit in ask(client, reference_sku=None).results}
    told = FeedbackCreate(image_id=at["TEE-blue"], reference_image_id=at["TEE-red"], text="in blue")
    kept = client.give_feedback(told)
    assert (kept.reference.sku, kept.target.sku, kept.rank) == ("TEE-red", "TEE-blue", None)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"reference_sku": None}, "this one has no picture: choose one, and search again"),
        ({"text": ""}, "this one has no words: say what should be different"),
    ],
)
def test_a_search_by_one_part_alone_is_no_triplet(client: AkinClient, asked, sentence) -> None:
    with pytest.raises(ApiError, match=sentence):
        click(client, ask(client, **asked))


def test_a_result_that_was_not_shown_is_told(client: AkinClient) -> None:
    shown = ask(client)
    assert shown.reference is not None
    said = FeedbackCreate(search_id=shown.search_id, image_id=shown.reference.image_id or "")
    with pytest.raises(ApiError, match="is not among the results of this search") as refused:
        client.give_feedback(said)
    assert refused.value.status == 422


def test_a_search_that_is_gone_is_told(client: AkinClient) -> None:
    with pytest.raises(ApiError, match="no longer kept"):
        client.give_feedback(FeedbackCreate(search_id="gone", image_id="i"))


def blobs(shop: Shop) -> int:
    with shop.runtime.database.read() as session:
        return session.scalar(select(func.count()).select_from(Blob)) or 0


def test_ones_own_picture_is_kept_with_the_triplet_alone(client: AkinClient, shop: Shop) -> None:
    mine = picture("pink")
    answer = client.search(SearchRequest(text="in blue"), image=mine, name="mine.jpg")
    hit, before = answer.results[0], blobs(shop)
    told = FeedbackUpload(search_id=answer.search_id, image_id=hit.image_id, keep_picture=True)
    kept = client.give_feedback(told, image=mine, name="mine.jpg")
    assert (kept.reference.image_id, kept.reference.sku) == (None, None)
    assert shop.runtime.blobs.read(kept.reference.sha256 or "") == mine
    assert blobs(shop) == before + 1
    client.update_triplet(kept.id, TripletUpdate(state="rejected"))
    assert client.triplet(kept.id).reference.sha256 is None


def test_without_consent_no_picture_is_kept(client: AkinClient, shop: Shop) -> None:
    answer = client.search(SearchRequest(text="in blue"), image=picture("pink"))
    hit, before = answer.results[0], blobs(shop)
    said = FeedbackUpload(search_id=answer.search_id, image_id=hit.image_id)
    with pytest.raises(ApiError, match="kept only with consent"):
        client.give_feedback(said, image=picture("pink"))
    with pytest.raises(ApiError, match="send it along to /v1/feedback/upload"):
        client.give_feedback(FeedbackCreate(search_id=answer.search_id, image_id=hit.image_id))
    other = said.model_copy(update={"keep_picture": True})
    with pytest.raises(ApiError, match="not the one that this search began with"):
        client.give_feedback(other, image=picture("brown"))
    assert blobs(shop) == before


def upload(http: TestClient, said: str) -> Any:
    files = {"image": ("a.jpg", b"x")}
    return http.post("/v1/feedback/upload", data={"feedback": said}, files=files)


def test_a_form_that_is_no_feedback_is_told(http: TestClient) -> None:
    answer = upload(http, '{"image_id": 1}')
    assert (answer.status_code, "is not feedback as JSON: image_id" in answer.text) == (422, True)


def test_bytes_that_are_no_picture_are_told(http: TestClient) -> None:
    said = '{"image_id": "i", "text": "red", "keep_picture": true}'
    assert upload(http, said).status_code == 415


def test_triplets_are_filtered_and_paged(client: AkinClient) -> None:
    answer = ask(client)
    kept = [click(client, answer, place).id for place in range(3)]
    client.update_triplet(kept[0], TripletUpdate(state="accepted"))
    candidates = TripletFilter(state="candidate", source="feedback", split="train")
    first = client.triplets(candidates, limit=1)
    rest = client.triplets(candidates, limit=1, cursor=first.next_cursor)
    assert [one.id for one in first.items + rest.items] == [kept[2], kept[1]]
    assert (first.total, rest.total, rest.next_cursor) == (2, 2, None)
    assert client.triplets(TripletFilter(split="val")).total == 0
    assert client.triplets(TripletFilter(is_target=False)).total == 0


@pytest.mark.parametrize("cursor", ["x", "WyJiZXN0IiwiYSIsMSwxXQ", "WyJuZXdlc3QiLCJhIiwxLDFd"])
def test_a_strange_cursor_is_told(client: AkinClient, cursor: str) -> None:
    with pytest.raises(ApiError, match="leave it away to start"):
        client.triplets(cursor=cursor)


def test_many_are_reviewed_by_their_ids_or_by_a_filter(client: AkinClient) -> None:
    answer = ask(client)
    kept = [click(client, answer, place).id for place in range(3)]
    done = client.review_triplets(ReviewRequest(state="rejected", ids=kept[:1]))
    assert (done.changed, done.left) == (1, 0)
    by_filter = ReviewRequest(state="accepted", filter=TripletFilter(), limit=1)
    assert client.review_triplets(by_filter) == ReviewResult(changed=1, left=1)
    assert client.review_triplets(by_filter) == ReviewResult(changed=1, left=0)
    assert client.review_triplets(by_filter) == ReviewResult(changed=0, left=0)
    assert client.triplet_summary().states == {"rejected": 1, "accepted": 2}


def test_a_review_of_everything_or_of_nothing_is_refused(http: TestClient) -> None:
    for wrong in ({}, {"ids": ["a"], "filter": {}}):
        answer = http.post("/v1/triplets/review", json={"state": "accepted", **wrong})
        assert answer.status_code == 422
        assert "give either ids or a filter" in answer.json()["detail"]


def test_the_summary_counts_splits_and_what_is_mixed(client: AkinClient, shop: Shop) -> None:
    answer = ask(client)
    kept = [click(client, answer, place) for place in range(3)]
    client.review_triplets(ReviewRequest(state="accepted", ids=[one.id for one in kept]))
    runtime = shop.runtime
    with runtime.database.write() as session:
        moved = BulkEdit(product_ids=[kept[0].target.product_id], split="val")
        catalogue.bulk_edit(session, runtime.queue, moved)
    told = client.triplet_summary()
    assert told.accepted_splits == {"train": 2, "mixed": 1}
    assert (told.sources, told.unscored) == ({"feedback": 3}, 0)
    assert client.triplets(TripletFilter(split="mixed")).items[0].id == kept[0].id


@pytest.mark.parametrize(
    ("method", "path", "status", "schema"),
    [
        ("post", "/v1/feedback", "201", TripletOut),
        ("post", "/v1/feedback/upload", "201", TripletOut),
        ("get", "/v1/triplets", "200", Page[TripletOut]),
        ("get", "/v1/triplets/summary", "200", TripletSummary),
        ("post", "/v1/triplets/review", "200", ReviewResult),
        ("get", "/v1/triplets/{triplet_id}", "200", TripletOut),
        ("patch", "/v1/triplets/{triplet_id}", "200", TripletOut),
    ],
)
def test_the_documented_answers_are_such(
    http: TestClient, method: str, path: str, status: str, schema: type[BaseModel]
) -> None:
    documented = http.get("/openapi.json").json()["paths"][path][method]["responses"][status]
    schema.model_validate(documented["content"]["application/json"]["example"])
