"""What the stand-in has to be like for the rest to trust it. That it answers as the real server
does is the contract suite's matter (tests/backend/gallery), which runs over both."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from backend.errors import SetupError
from backend.gallery.layout import Access
from backend.gallery.opening import open_store
from tests import qdrant_standin
from tests.backend.gallery.conftest import DIM, fresh_name, image_id, point, random_vector

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def client():
    with_client = QdrantClient(url=qdrant_standin.shared_url(), check_compatibility=False)
    yield with_client
    with_client.close()


@pytest.fixture
def collection(client):
    name = fresh_name()
    vectors = models.VectorParams(size=3, distance=models.Distance.COSINE)
    client.create_collection(name, vectors_config=vectors)
    yield name
    client.delete_collection(name)


def start(folder: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        qdrant_standin.command(folder), cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.mark.long
def test_what_was_acknowledged_survives_kill_9(tmp_path):
    process, url = start(tmp_path)
    with process:
        gallery = open_store(url, tmp_path).create("kept", DIM)
        gallery.index_attribute("sale", "bool")
        gallery.upsert([point(n, attributes={"sale": n % 2 == 0}) for n in range(50)])
        gallery.delete([image_id(0)])
        gallery.set_payload({image_id(1): point(1, category="hat").payload})
        os.kill(process.pid, signal.SIGKILL)

    process, url = start(tmp_path)
    with process:
        gallery = open_store(url, tmp_path).open("kept")
        assert gallery.count() == 49
        assert gallery.indexed_attributes() == {"sale": "bool"}
        assert gallery.facets("attributes.sale") == [(False, 24), (True, 24)]
        assert gallery.fetch([image_id(1)])[image_id(1)].payload["category"] == "hat"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_with_a_key_only_who_has_it_is_answered(tmp_path):
    with qdrant_standin.running(tmp_path, api_key="right") as url:
        for wrong in (None, "wrong"):
            with pytest.raises(SetupError, match="refuses the API key"):
                open_store(url, tmp_path, access=Access(wrong))
        assert open_store(url, tmp_path, access=Access("right")).names() == []
        assert httpx.get(f"{url}/readyz").status_code == 200


def test_refusals_have_the_server_s_statuses_and_shape(client, collection):
    vectors = models.VectorParams(size=3, distance=models.Distance.COSINE)
    refused = {
        404: lambda: client.get_collection("nowhere"),
        409: lambda: client.create_collection(collection, vectors_config=vectors),
        400: lambda: client.query_points(collection, query=[1.0, 2.0]),
        501: lambda: client.query_points(collection, query=models.SampleQuery(sample="random")),
    }
    for status, ask in refused.items():
        with pytest.raises(UnexpectedResponse) as error:
            ask()
        assert error.value.status_code == status
        assert set(error.value.structured()["status"]) == {"error"}


def test_a_wrong_length_or_key_is_told_in_the_engine_s_words(client, collection):
    with pytest.raises(UnexpectedResponse, match="expected dim: 3, got 2"):
        client.upsert(collection, [models.PointStruct(id=1, vector=[1.0, 2.0])])
    client.upsert(collection, [models.PointStruct(id=1, vector=[1.0, 2.0, 3.0])])
    with pytest.raises(UnexpectedResponse, match="No appropriate index for faceting: `colour`"):
        client.facet(collection, "colour")
    with pytest.raises(UnexpectedResponse, match="Format error in JSON body"):
        client.http.client.request(
            type_=None, method="POST", url=f"/collections/{collection}/facet", content=b"{"
        )


@pytest.mark.parametrize("path", ["attributes.sale", "sale"])
def test_booleans_are_booleans(client, collection, path):
    def payload(value):
        return {"attributes": {"sale": value}, "sale": value}

    values = [True, False, "true", 1, None]
    client.upsert(
        collection,
        [
            models.PointStruct(id=number, vector=[1.0, 0.0, 0.0], payload=payload(value))
            for number, value in enumerate(values)
        ],
    )
    assert [ids(client, collection, path, value) for value in (True, False)] == [[0], [1]]

    everything = models.Filter(must=[models.HasIdCondition(has_id=[0])])
    change = models.SetPayload(payload=payload(False), filter=everything)
    client.batch_update_points(collection, [models.SetPayloadOperation(set_payload=change)])
    assert ids(client, collection, path, False) == [0, 1]
    assert [r.payload for r in client.retrieve(collection, [0, 1])] == [payload(False)] * 2


def ids(client, collection, path, value):
    equal = models.FieldCondition(key=path, match=models.MatchValue(value=value))
    wanted = models.Filter(must=[equal])
    records, _ = client.scroll(collection, scroll_filter=wanted, with_payload=False)
    assert client.count(collection, count_filter=wanted).count == len(records)
    return [record.id for record in records]


def test_a_vector_comes_back_at_length_one(client, collection):
    client.upsert(collection, [models.PointStruct(id=7, vector=[3.0, 0.0, 4.0])])
    (record,) = client.retrieve(collection, [7], with_vectors=True)
    assert record.vector == pytest.approx([0.6, 0.0, 0.8])
    (hit,) = client.query_points(collection, query=[0.0, 0.0, 2.0]).points
    assert hit.score == pytest.approx(0.8)


def test_a_payload_comes_in_parts_and_never_with_its_shadow(client, collection):
    payload = {"sku": "A", "category": "hat", "attributes": {"sale": True, "colour": "red"}}
    client.upsert(collection, [models.PointStruct(id=1, vector=[1.0, 0.0, 0.0], payload=payload)])
    asked = {
        True: payload,
        False: {},
        ("sku", "attributes.colour"): {"sku": "A", "attributes": {"colour": "red"}},
    }
    for chosen, expected in asked.items():
        selector = list(chosen) if isinstance(chosen, tuple) else chosen
        (record,) = client.retrieve(collection, [1], with_payload=selector)
        (hit,) = client.query_points(
            collection, query=[1.0, 0.0, 0.0], with_payload=selector
        ).points
        (scrolled,), _ = client.scroll(collection, with_payload=selector)
        assert [found.payload or {} for found in (record, hit, scrolled)] == [expected] * 3


def test_several_searches_in_one_request(client, collection):
    vectors = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    client.upsert(
        collection, [models.PointStruct(id=n, vector=vector) for n, vector in enumerate(vectors)]
    )
    exact = models.SearchParams(exact=True)
    requests = [models.QueryRequest(query=v, limit=2, params=exact) for v in vectors]
    answers = client.query_batch_points(collection, requests)
    found = [[(point.id, point.score) for point in answer.points] for answer in answers]
    assert found == [[(0, 1.0), (1, 0.0)], [(1, 1.0), (0, 0.0)]]


def test_many_points_are_taken_in_a_few_requests(tmp_path):
    store = open_store(qdrant_standin.shared_url(), tmp_path)
    gallery = store.create(fresh_name(), DIM)
    gallery.upsert([point(n) for n in range(1000)])
    assert gallery.search(random_vector(700), limit=1)[0].id == image_id(700)
    store.drop(gallery.name)
