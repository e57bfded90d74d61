"""What any gallery keeps to, whichever engine is behind it: writing, many threads, the store."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from backend.errors import Conflict, InvalidInput, NotFound
from backend.gallery.filters import parse_filter
from tests.backend.gallery.conftest import DIM, cosine, fresh_name, image_id, point, random_vector

# --- writing


def test_what_was_stored_comes_back_with_unit_vector_norm_and_payload(gallery):
    vector = [3.0, 4.0] + [0.0] * (DIM - 2)
    original = point(
        1, vector, attributes={"colour": "red", "sale": True, "size": 3, "weight": 0.5}
    )
    gallery.upsert([original])

    stored = gallery.fetch([original.id])[original.id]

    assert stored.norm == pytest.approx(5.0)
    np.testing.assert_allclose(stored.vector, np.asarray(vector) / 5, atol=1e-6)
    assert stored.vector.dtype == np.float32
    assert stored.payload == {**original.payload, "norm": stored.norm}


def test_scores_are_cosines_of_whatever_lengths(gallery):
    gallery.upsert([point(n, random_vector(n) * 10.0 ** (n - 2)) for n in range(5)])
    query = random_vector(99) * 7

    hits = gallery.search(query, limit=5)

    expected = {image_id(n): cosine(query, random_vector(n)) for n in range(5)}
    assert {hit.id: hit.score for hit in hits} == pytest.approx(expected, abs=1e-5)
    assert [hit.id for hit in hits] == sorted(expected, key=expected.__getitem__, reverse=True)


def test_the_same_point_twice_is_one_point_and_the_last_wins(gallery):
    gallery.upsert([point(1)])
    gallery.upsert([point(1), point(1, random_vector(2), category="hat")])

    assert gallery.count() == 1
    stored = gallery.fetch([image_id(1)])[image_id(1)]
    assert stored.payload["category"] == "hat"
    assert cosine(stored.vector, random_vector(2)) == pytest.approx(1.0, abs=1e-6)


def test_delete_removes_and_may_be_repeated(gallery):
    gallery.upsert([point(1), point(2)])
    gallery.delete([image_id(1), image_id(7)])
    gallery.delete([image_id(1)])
    gallery.delete([])

    assert gallery.scroll(None, 10) == [image_id(2)]
    assert gallery.fetch([image_id(1)]) == {}


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        ([np.nan] * DIM, "holds NaN or infinity"),
        ([np.inf] + [1.0] * (DIM - 1), "holds NaN or infinity"),
        ([0.0] * DIM, "is zero"),
        ([1.0] * (DIM + 1), f"holds vectors of {DIM} numbers"),
    ],
)
def test_a_bad_vector_is_refused_by_name_and_nothing_is_written(gallery, vector, reason):
    with pytest.raises(InvalidInput, match=f"point {image_id(2)}.*{reason}"):
        gallery.upsert([point(1), point(2, vector)])
    assert gallery.count() == 0
    with pytest.raises(InvalidInput, match=f"the query.*{reason}"):
        gallery.search(vector, limit=1)


def test_an_id_that_is_not_a_canonical_uuid_is_refused(gallery):
    with pytest.raises(InvalidInput, match="Point id 'seven' is not a UUID"):
        gallery.fetch(["seven"])
    with pytest.raises(InvalidInput, match="lower case with hyphens"):
        gallery.delete([image_id(1).upper()])


def test_set_payload_changes_metadata_and_leaves_vector_and_norm(gallery):
    gallery.index_attribute("sale", "bool")
    gallery.upsert([point(1, attributes={"sale": True, "colour": "red"})])
    before = gallery.fetch([image_id(1)])[image_id(1)]
    edited = point(1, category="hat", attributes={"sale": False}).payload

    gallery.set_payload({image_id(1): {**edited, "norm": 99.0}, image_id(2): edited})

    after = gallery.fetch([image_id(1)])[image_id(1)]
    assert after.payload == {**edited, "norm": before.norm}
    np.testing.assert_array_equal(after.vector, before.vector)
    assert gallery.count() == 1
    assert gallery.facets("attributes.sale") == [(False, 1)]


def test_nothing_may_be_written_and_asked_for(gallery):
    gallery.upsert([])
    gallery.set_payload({})
    assert (gallery.fetch([]), gallery.scroll(None, 5), gallery.facets("category")) == ({}, [], [])
    assert gallery.search(random_vector(0), limit=5) == []


def test_restore_puts_back_what_fetch_gave(gallery):
    gallery.upsert([point(1), point(2)])
    stored = gallery.fetch([image_id(1), image_id(2)])
    gallery.delete(list(stored))

    gallery.restore(stored)

    again = gallery.fetch(list(stored))
    assert {i: s.payload for i, s in again.items()} == {i: s.payload for i, s in stored.items()}
    for i in stored:
        np.testing.assert_allclose(again[i].vector, stored[i].vector, atol=1e-6)


# --- many threads


def test_eight_threads_may_write_and_search_together(gallery):
    failures: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for step in range(10):
                number = thread * 100 + step
                gallery.upsert([point(number)])
                best = gallery.search(random_vector(number), limit=1)[0]
                assert best.id == image_id(number)
                gallery.count(parse_filter(["category=dress"]))
        except BaseException as error:  # noqa: BLE001 (told by the main thread)
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert gallery.count() == 80


# --- the store


def test_galleries_are_made_found_and_dropped_by_name(store):
    first, second = fresh_name(), fresh_name()
    store.create(first, DIM).upsert([point(1)])
    store.create(second, 3)

    assert {first, second} <= set(store.names())
    assert store.open(first) is store.open(first)
    assert (store.open(first).count(), store.open(second).count()) == (1, 0)
    assert (store.open(second).name, store.open(second).dim) == (second, 3)

    store.drop(first)
    store.drop(first)
    assert first not in store.names()
    assert second in store.names()
    store.drop(second)


def test_names_that_are_taken_missing_or_unsafe_are_told(store, gallery):
    with pytest.raises(Conflict, match=f"'{gallery.name}' exists already"):
        store.create(gallery.name, DIM)
    with pytest.raises(NotFound, match="no gallery named 'nowhere'"):
        store.open("nowhere")
    with pytest.raises(InvalidInput, match=r"'\.\./up' cannot name a gallery"):
        store.create("../up", DIM)
