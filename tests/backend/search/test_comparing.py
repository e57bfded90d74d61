"""One query under two versions: each answers as it does alone, and ranks are told crosswise."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient

from backend.client import AkinClient, ApiError
from backend.search import compare_routes, serving
from backend.search.compare_routes import COMPARED
from backend.search.compare_schemas import ComparedSearch, CompareSearchRequest
from backend.search.schemas import SearchRequest
from backend.search.serving import Serving
from tests.api import api_of, client_of
from tests.backend.registry.stock import add_version
from tests.backend.search.shop import COLOURS, Shop, picture, skus
from tests.backend.search.test_serving import promote, version

QUERY = SearchRequest(reference_sku="TEE-red", text="blue", limit=4)


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    for colour in COLOURS:
        shop.add(f"TEE-{colour}", picture(colour))
    return shop


@pytest.fixture
def served(stocked: Shop) -> Iterator[Serving]:
    found = Serving(stocked.runtime, stocked.active)
    yield found
    found.close()


@pytest.fixture
def http(stocked: Shop, served: Serving) -> Iterator[TestClient]:
    with TestClient(api_of(stocked.runtime, compare_routes.router, serving=served)) as client:
        yield client


@pytest.fixture
def client(http: TestClient) -> AkinClient:
    return client_of(http)


@pytest.fixture
def trained(stocked: Shop, tmp_path) -> str:
    return version(stocked, tmp_path / "model", "combiner")


def asked(client: AkinClient, *versions: str, query: SearchRequest = QUERY) -> ComparedSearch:
    return client.compare_search(CompareSearchRequest(query=query, versions=list(versions) or None))


def test_each_answers_as_it_does_alone(client, stocked, served, trained):
    found = asked(client, stocked.active.version_id, trained)
    first, second = (one.answer for one in found.answers)
    assert (first.version, second.version) == (stocked.active.version, "my combiner")
    assert [one.version_id for one in found.answers] == [stocked.active.version_id, trained]
    with served.using() as service:
        assert skus(service.search(QUERY)) == skus(first)
    promote(stocked, trained)
    served.follow()
    with served.using() as service:
        alone = service.search(QUERY)
    assert [(hit.product.sku, hit.score) for hit in alone.results] == [
        (hit.product.sku, hit.score) for hit in second.results
    ]


def test_every_product_has_its_rank_in_the_other_answer(client, stocked, trained):
    whole = QUERY.model_copy(update={"limit": 100})
    a, b = asked(client, stocked.active.version_id, trained, query=whole).answers
    for one, other in ((a, b), (b, a)):
        places = {hit.product.id: hit.rank for hit in other.answer.results}
        assert one.other_ranks == {
            hit.product.id: places[hit.product.id] for hit in one.answer.results
        }
    part = asked(client, stocked.active.version_id, trained).answers[0]
    assert part.other_ranks == {
        hit.product.id: a.other_ranks[hit.product.id] for hit in part.answer.results
    }


def test_by_default_it_is_today_against_the_version_before(client, stocked, served, trained):
    with pytest.raises(ApiError) as refused:
        asked(client)
    assert (refused.value.status, refused.value.sentence) == (
        409,
        f"No version answered before {stocked.active.version}: name the two that are to be "
        "compared.",
    )
    promote(stocked, trained)
    served.follow()
    versions = [one.answer.version for one in asked(client).answers]
    assert versions == ["my combiner", stocked.active.version]


def test_a_picture_of_ones_own_is_asked_of_both(client, stocked, trained):
    request = CompareSearchRequest(
        query=SearchRequest(text="blue"), versions=[stocked.active.version_id, trained]
    )
    found = client.compare_search(request, image=picture("pink"), name="mine.jpg")
    assert [one.answer.reference.kind for one in found.answers] == ["upload", "upload"]
    with pytest.raises(ApiError, match=r"in mine\.txt") as refused:
        client.compare_search(request, image=b"no picture", name="mine.txt")
    assert refused.value.status == 415


def test_a_version_that_has_not_seen_the_catalogue_is_refused(client, stocked):
    with stocked.runtime.database.write() as session:
        add_version(session, stocked.active, "seeing", fingerprint="9" * 64)
        add_version(session, stocked.active, "unfinished", state="training")
    with pytest.raises(ApiError) as refused:
        asked(client, stocked.active.version_id, "id of seeing")
    assert (refused.value.status, refused.value.sentence) == (
        409,
        "seeing has not seen the whole catalogue yet, so its answers would say little: promote "
        "it, or wait until its gallery is filled.",
    )
    with pytest.raises(ApiError, match="unfinished is training: only a version that is ready can"):
        asked(client, stocked.active.version_id, "id of unfinished")
    with pytest.raises(ApiError, match="There is no model version nobody"):
        asked(client, stocked.active.version_id, "nobody")


def test_what_cannot_be_compared_is_told(client, stocked, trained):
    with pytest.raises(ApiError, match="cannot be compared with itself: name two versions"):
        asked(client, trained, trained)
    pair = (stocked.active.version_id, trained)
    with pytest.raises(ApiError, match="no pages of an earlier search: leave out search_id"):
        asked(client, *pair, query=SearchRequest(search_id="x"))


def test_loaded_versions_stay_few_and_are_open_while_they_are_used(
    stocked, served, tmp_path, monkeypatch
):
    ids = [version(stocked, tmp_path / str(n), "combiner") for n in range(4)]
    from backend.search.comparing import versions_to_compare

    with stocked.runtime.database.read() as session:
        pairs = [versions_to_compare(session, ids[n : n + 2]) for n in (0, 2)]
    monkeypatch.setattr(serving, "KEPT", 1)
    with served.using_version(pairs[0][0]) as one, served.using_version(pairs[0][1]) as two:
        assert len(served._served) == 3
        assert one.search(QUERY).version != two.search(QUERY).version
    with served.using_version(pairs[1][0]), served.using_version(pairs[1][1]):
        pass
    served._let_go()
    assert len(served._served) == 2
    with pytest.raises(Exception, match="shut down"):
        one.search(SearchRequest(text="never asked before"))
    assert served.current.active.version == stocked.active.version


def test_many_ask_at_once_and_all_are_answered(http, stocked, trained):
    body = CompareSearchRequest(query=QUERY, versions=[stocked.active.version_id, trained])
    sent = {"json": body.model_dump(mode="json")}
    with ThreadPoolExecutor(8) as admins:
        asking = [admins.submit(http.post, "/v1/models/compare/search", **sent) for _ in range(16)]
        answers = [one.result(60) for one in asking]
    assert {answer.status_code for answer in answers} == {200}
    ranks = [answer.json()["answers"][0]["other_ranks"] for answer in answers]
    assert all(one == ranks[0] for one in ranks)


def test_the_documented_answer_is_one(http):
    ComparedSearch.model_validate(COMPARED)
    for path in http.get("/openapi.json").json()["paths"].values():
        assert "example" in path["post"]["responses"]["200"]["content"]["application/json"]
