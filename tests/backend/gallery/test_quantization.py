"""Codes beside the vectors: what a search loses by them, what it does not, and their change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.errors import Unavailable
from backend.gallery.edge_codes import codes_held
from backend.gallery.edge_store import EdgeGalleryStore
from backend.gallery.filters import parse_filter
from backend.gallery.layout import Layout, Quantization, QuantizationKind
from backend.gallery.opening import open_store
from backend.gallery.port import Gallery, GalleryStore
from tests import qdrant_standin, services
from tests.backend.gallery.conftest import fresh_name, image_id, point

DIM, POINTS = 64, 400
KINDS: tuple[QuantizationKind, ...] = ("scalar", "binary")
SERVERS = {"stand-in": qdrant_standin.shared_url, "server": services.qdrant_url}


CENTRES = np.random.default_rng(0).normal(size=(20, DIM))


def vector(number: int) -> NDArray[np.float32]:
    """In clusters, as a catalogue's are: bits tell little of directions drawn at random."""
    noise = np.random.default_rng(number).normal(size=DIM)
    drawn: NDArray[np.float32] = (CENTRES[number % len(CENTRES)] + 0.6 * noise).astype(np.float32)
    return drawn


def filled(store: GalleryStore, name: str) -> Gallery:
    gallery = store.create(name, DIM)
    gallery.upsert(
        [point(n, vector(n), category="hat" if n % 4 == 0 else "dress") for n in range(POINTS)]
    )
    return gallery


def cosines(query: NDArray[np.float32]) -> dict[str, float]:
    vectors = np.stack([vector(n) for n in range(POINTS)])
    scores = vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
    return {image_id(n): float(score) for n, score in enumerate(scores)}


def best(query: NDArray[np.float32], count: int) -> list[str]:
    scores = cosines(query)
    return sorted(scores, key=scores.__getitem__, reverse=True)[:count]


def store_of(adapter: str, folder: Path, codes: Quantization) -> GalleryStore:
    url = SERVERS[adapter]() if adapter in SERVERS else adapter
    return open_store(url, folder / "galleries", Layout(codes))


@pytest.fixture(scope="module", params=[(a, k) for a in ("edge", *SERVERS) for k in KINDS])
def gallery(request, tmp_path_factory) -> Iterator[Gallery]:
    adapter, kind = request.param
    folder = tmp_path_factory.mktemp("quantized")
    store = store_of(adapter, folder, Quantization(kind, rescore=True, oversampling=16))
    gallery = filled(store, fresh_name())
    yield gallery
    store.drop(gallery.name)
    store.close()


def test_rescored_answers_are_the_exact_ones_with_cosines_for_scores(gallery):
    for seed in range(1000, 1005):
        hits = gallery.search(vector(seed), limit=10)
        expected = cosines(vector(seed))
        assert [hit.id for hit in hits] == best(vector(seed), 10)
        assert [hit.score for hit in hits] == pytest.approx(
            [expected[hit.id] for hit in hits], abs=1e-5
        )


def test_vectors_similarities_filters_and_counts_know_nothing_of_codes(gallery):
    one = gallery.fetch([image_id(7)])[image_id(7)]
    assert one.vector == pytest.approx(vector(7) / np.linalg.norm(vector(7)), abs=1e-6)
    (similar,) = gallery.similarities([vector(3)], [image_id(7)])[image_id(7)]
    assert similar == pytest.approx(cosines(vector(3))[image_id(7)], abs=1e-5)
    hats = parse_filter(["category=hat"])
    assert gallery.count(hats) == POINTS // 4
    hits = gallery.search(vector(3), filter=hats, limit=POINTS)
    assert {hit.id for hit in hits} == {image_id(n) for n in range(0, POINTS, 4)}


@pytest.mark.parametrize("adapter", ["edge", *SERVERS])
def test_without_rescoring_a_bit_a_number_misses_some_and_estimates_scores(adapter, tmp_path):
    store = store_of(adapter, tmp_path, Quantization("binary", rescore=False))
    gallery = filled(store, fresh_name())
    hits = gallery.search(vector(1000), limit=10)
    assert {hit.id for hit in hits} != set(best(vector(1000), 10))
    expected = cosines(vector(1000))
    assert any(abs(hit.score - expected[hit.id]) > 0.01 for hit in hits)
    store.drop(gallery.name)
    store.close()


@pytest.mark.parametrize("adapter", ["edge", *SERVERS])
def test_another_setting_reaches_a_gallery_that_is_there_and_loses_nothing(adapter, tmp_path):
    name = fresh_name()
    store = store_of(adapter, tmp_path, Quantization())
    stored = filled(store, name).fetch([image_id(n) for n in range(POINTS)])
    store.close()
    for kind in ("binary", "scalar", "none"):
        store = store_of(adapter, tmp_path, Quantization(kind, oversampling=16))
        gallery = store.open(name)
        assert [hit.id for hit in gallery.search(vector(1000), limit=10)] == best(vector(1000), 10)
        gallery.optimise()
        assert [hit.id for hit in gallery.search(vector(1000), limit=10)] == best(vector(1000), 10)
        again = gallery.fetch(list(stored))
        assert {i: s.payload for i, s in again.items()} == {i: s.payload for i, s in stored.items()}
        np.testing.assert_array_equal(
            [again[i].vector for i in stored], [s.vector for s in stored.values()]
        )
        store.close()
    store = store_of(adapter, tmp_path, Quantization())
    assert store.open(name).laid().quantization == "none"
    store.drop(name)
    store.close()


# --- Edge


def edge(folder: Path, kind: QuantizationKind, exact_below: int = 100_000) -> EdgeGalleryStore:
    return EdgeGalleryStore(folder, exact_below, Layout(Quantization(kind, oversampling=16)))


def test_edge_writes_a_small_gallery_anew_at_a_start_and_says_so_before(tmp_path):
    store = edge(tmp_path, "binary")
    filled(store, "g")
    assert store.open("g").laid().quantization == "binary"
    store.close()

    store = edge(tmp_path, "none")
    gallery = store.open("g")
    # Old codes are passed by at once: scores are cosines, without any rescoring.
    hits = gallery.search(vector(1000), limit=10)
    assert [hit.id for hit in hits] == best(vector(1000), 10)
    assert "the next start writes it anew, as AKIN_GALLERY_QUANTIZATION=none says" in str(
        gallery.laid().differs
    )
    told: list[int] = []
    gallery.optimise(told.append)
    assert told == [POINTS]
    assert gallery.laid().sentence == (
        "one folder, vectors in memory, not quantized, 0 in the search graph"
    )
    gallery.optimise(told.append)
    assert told == [POINTS]  # nothing more to do
    store.close()


def test_edge_gives_bytes_to_a_gallery_that_is_large_enough_for_a_graph(tmp_path):
    store = edge(tmp_path, "scalar", exact_below=200)
    gallery = filled(store, "g")
    assert "takes effect at the first start with 200 images" in gallery.laid().sentence
    gallery.optimise()
    laid = gallery.laid()
    assert (laid.quantization, laid.in_graph, laid.differs) == ("scalar", POINTS, None)
    assert [hit.id for hit in gallery.search(vector(1000), limit=10)] == best(vector(1000), 10)
    store.close()


def test_a_kill_while_the_codes_are_written_anew_leaves_the_gallery_as_it_was(
    tmp_path, monkeypatch
):
    store = edge(tmp_path, "binary")
    filled(store, "g")
    store.close()
    store = edge(tmp_path, "none")
    gallery = store.open("g")
    monkeypatch.setattr("sys.executable", "/bin/false")  # a child that ends at once
    with pytest.raises(Unavailable, match="could not be optimised"):
        gallery.optimise()
    assert [hit.id for hit in gallery.search(vector(1000), limit=10)] == best(vector(1000), 10)
    assert codes_held(tmp_path / "g") >= {"binary"}
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["g"]
