"""Search over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from backend.client import AkinClient, ApiError
from backend.search.examples import ANSWER
from backend.search.routes import router
from backend.search.schemas import SearchRequest, SearchResponse
from backend.search.serving import Serving
from backend.search.turns import Turns
from tests.api import api_of, client_of
from tests.backend.search.shop import Shop, picture, skus


@pytest.fixture
def serving(filled: Shop) -> Iterator[Serving]:
    found = Serving(filled.runtime, filled.active)
    yield found
    found.close()


@pytest.fixture
def app(filled: Shop, serving: Serving) -> FastAPI:
    return api_of(filled.runtime, router, serving=serving)


@pytest.fixture
def http(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@pytest.fixture
def client(http: TestClient) -> AkinClient:
    return client_of(http)


def problem(http: TestClient, path: str, **sent) -> tuple[int, str]:
    answer = http.post(path, **sent)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["detail"]


def test_a_query_as_json(client, filled, search):
    request = SearchRequest(reference_sku="TEE-red", text="blue", filters=["category=dress"])
    assert skus(client.search(request)) == skus(search.search(request))


def test_a_query_with_a_picture_of_ones_own(client, search):
    request = SearchRequest(text="blue", limit=5)
    answer = client.search(request, image=picture("pink"), name="mine.jpg")
    assert answer.reference.kind == "upload"
    assert skus(answer) == skus(search.search(request, image=picture("pink")))


def test_a_picture_needs_no_words(http):
    answer = http.post("/v1/search/upload", files={"image": picture("pink")})
    assert len(answer.json()["results"]) == 16


def test_a_search_is_paged_by_its_id(client):
    first = client.search(SearchRequest(text="blue", limit=10))
    rest = client.search(SearchRequest(search_id=first.search_id, offset=10))
    assert len({*skus(first), *skus(rest)}) == 16


def test_errors_are_problems_with_a_sentence(http):
    status, detail = problem(http, "/v1/search", json={})
    assert (status, detail) == (
        422,
        "The query is empty: give a picture, a sentence, or both.",
    )
    assert problem(http, "/v1/search", json={"search_id": "gone"})[0] == 404
    assert problem(http, "/v1/search", json={"strength": 2})[0] == 422
    assert problem(http, "/v1/search", json={"text": "blue", "composer": "magic"}) == (
        422,
        'No composer is called "magic": choose one of sum, slerp, product.',
    )


def test_a_file_that_is_no_picture_is_told(http):
    files = {"image": ("mine.txt", b"no picture")}
    status, detail = problem(http, "/v1/search/upload", files=files)
    assert status == 415
    assert "in mine.txt" in detail


def test_a_file_over_the_limit_is_told(http):
    files = {"image": ("mine.jpg", bytes(100_001))}
    assert problem(http, "/v1/search/upload", files=files) == (
        413,
        "There are 100,001 bytes in mine.jpg, and 100,000 are allowed: send a smaller picture.",
    )


@pytest.mark.parametrize(
    ("form", "told"),
    [("{text", "it: Invalid JSON"), ('{"strength": 2}', "strength: Input"), ("[]", "it: Input")],
)
def test_a_form_field_that_is_no_request_is_told(http, form, told):
    sent = {"files": {"image": picture("pink")}, "data": {"request": form}}
    status, detail = problem(http, "/v1/search/upload", **sent)
    assert status == 422
    assert detail.startswith("The form field 'request' is not a search request as JSON: ")
    assert told in detail


def test_before_the_model_is_loaded_searches_are_refused(app, client):
    app.state.serving = None
    with pytest.raises(ApiError, match="still being loaded: try again") as refused:
        client.search(SearchRequest(text="blue"))
    assert refused.value.status == 503


def test_the_documented_answer_is_one(http):
    SearchResponse.model_validate(ANSWER[200]["content"]["application/json"]["example"])
    documented = http.get("/openapi.json").json()["paths"]
    assert set(documented) == {"/v1/search", "/v1/search/upload"}
    for path in documented.values():
        assert "503" in path["post"]["responses"]
        assert "example" in path["post"]["responses"]["200"]["content"]["application/json"]


def test_the_wait_for_a_turn_is_a_stage_of_the_answer(client):
    assert client.search(SearchRequest(text="blue")).timings_ms["wait"] >= 0


def test_sixty_four_clients_at_once_are_all_answered(http, search):
    """Far more than are worked on at once, each with its own answer."""
    with ThreadPoolExecutor(64) as clients:
        asked = [
            clients.submit(http.post, "/v1/search", json={"text": f"tee {n}"}) for n in range(64)
        ]
        answers = [one.result(60) for one in asked]
    assert {answer.status_code for answer in answers} == {200}
    for number in (0, 31, 63):
        alone = search.search(SearchRequest(text=f"tee {number}"))
        found = SearchResponse.model_validate(answers[number].json())
        assert skus(found) == skus(alone)


def test_more_searches_than_may_wait_are_told_to_come_back(http, serving, monkeypatch):
    monkeypatch.setattr(serving, "turns", Turns(threads=1, waiting=-1))
    status, detail = problem(http, "/v1/search", json={"text": "blue"})
    assert status == 503
    assert detail.endswith("try again in a few seconds.")
