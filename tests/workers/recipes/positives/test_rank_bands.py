from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import InvalidInput
from workers.recipes.positives.rank_bands import RankBand, draw_targets, fraction_band


def drawn(features, gallery, references, band, count, seed=0, block=10**6):
    """(references, targets) of all blocks in one."""
    blocks = list(draw_targets(features, gallery, references, band, count, seed, block))
    return tuple(np.concatenate(parts) for parts in zip(*blocks, strict=True))


def ranked(features, gallery, place):
    """Brute force: the other places, most similar first, the earlier one of two alike."""
    units = features[gallery].astype(np.float64)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    others = [other for other in range(len(gallery)) if other != place]
    # Rounded: what differs in the last bits of one precision may not in another.
    return sorted(others, key=lambda other: (-round(float(units[other] @ units[place]), 5), other))


def test_by_hand():
    """Directions at 0, 10, 20, 30, 40 degrees: seen from the first, ranks 0 to 3 in this order."""
    angles = np.radians([0, 10, 20, 30, 40])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    gallery = np.arange(5)
    for rank, target in enumerate([1, 2, 3, 4]):
        _, targets = drawn(features, gallery, np.array([0]), RankBand(rank, rank + 1), 1)
        assert targets.tolist() == [[target]]
    _, targets = drawn(features, gallery, np.array([4]), RankBand(0, 1), 1)
    assert targets.tolist() == [[3]]


def test_the_length_of_features_changes_nothing():
    features = np.array([[1, 0], [0.1, 0.01], [90, 90], [0, 3]], dtype=np.float32)
    order = [
        drawn(features, np.arange(4), np.array([0]), RankBand(r, r + 1), 1)[1] for r in (0, 1, 2)
    ]
    assert np.ravel(order).tolist() == [1, 2, 3]


def test_of_equally_similar_images_the_earlier_one_is_nearer():
    features = np.array([[1, 0], [0, 1], [0, 1], [0, 1]], dtype=np.float32)
    order = [
        drawn(features, np.arange(4), np.array([0]), RankBand(r, r + 1), 1)[1] for r in (0, 1, 2)
    ]
    assert np.ravel(order).tolist() == [1, 2, 3]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_targets_are_those_at_the_ranks_of_the_band(data):
    """Small whole numbers: many ties, and cosines that brute force orders alike."""
    rows = data.draw(st.integers(4, 24), "rows")
    numbers = np.random.default_rng(data.draw(st.integers(0, 10**6), "features"))
    features = numbers.integers(-2, 3, (rows, 3)).astype(np.float32)
    features[~features.any(axis=1)] = 1
    gallery = np.flatnonzero(numbers.random(rows) < 0.8)
    if len(gallery) < 3:
        gallery = np.arange(rows)
    others = len(gallery) - 1
    first = data.draw(st.integers(0, others - 1), "first")
    stop = data.draw(st.integers(first + 1, others), "stop")
    count = data.draw(st.integers(1, stop - first), "count")
    places = np.arange(len(gallery))
    _, targets = drawn(features, gallery, places, RankBand(first, stop), count)
    for place, own in zip(places, targets, strict=True):
        band = ranked(features, gallery, place)[first:stop]
        assert len(set(own)) == count
        assert set(own) <= set(band)
        if count == len(band):
            assert set(own) == set(band)


@settings(max_examples=20, deadline=None)
@given(block=st.integers(1, 200), seed=st.integers(0, 10**6))
def test_blocks_change_nothing(block, seed):
    features = np.random.default_rng(1).integers(-3, 4, (40, 5)).astype(np.float32)
    features[:, 0] = 7
    arguments = (features, np.arange(40), np.arange(0, 40, 3), RankBand(10, 30), 2, seed)
    places, targets = drawn(*arguments, block)
    expected_places, expected = drawn(*arguments)
    assert places.tolist() == expected_places.tolist() == list(range(0, 40, 3))
    assert targets.tolist() == expected.tolist()


def test_every_image_of_the_band_is_drawn_equally_often():
    features = np.random.default_rng(3).normal(size=(12, 4)).astype(np.float32)
    band = RankBand(3, 8)
    draws = [
        int(drawn(features, np.arange(12), np.array([5]), band, 1, seed)[1][0, 0])
        for seed in range(2_000)
    ]
    counts = np.bincount(draws, minlength=12)
    assert set(np.flatnonzero(counts)) == set(ranked(features, np.arange(12), 5)[3:8])
    assert counts[counts > 0].min() > 320  # 400 expected, standard deviation 18


def test_features_may_be_mapped_from_the_disk(tmp_path):
    features = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    np.save(tmp_path / "f.npy", features)
    mapped = np.load(tmp_path / "f.npy", mmap_mode="r")
    arguments = (np.arange(50), np.arange(50), RankBand(5, 20), 3)
    assert drawn(mapped, *arguments)[1].tolist() == drawn(features, *arguments)[1].tolist()


def test_memory_is_bounded_by_the_block_whatever_the_gallery():
    """All scores at once would take 800 MB."""
    features = np.random.default_rng(0).normal(size=(200_000, 4)).astype(np.float32)
    gallery, references = np.arange(200_000), np.arange(0, 200_000, 200)
    tracemalloc.start()
    blocks = draw_targets(features, gallery, references, RankBand(10, 90), 1, 0, block=1_000_000)
    for _, _ in zip(range(5), blocks, strict=False):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


def test_the_default_band_of_fashioniq_is_the_published_one():
    """10,000 to 20,000 are 40 to 80 % of FashionIQ's 25,136 images."""
    band = fraction_band(25_136, 0.4, 0.8)
    assert (band.first, band.stop) == (10_054, 20_108)


def test_ten_others():
    band = fraction_band(11, 0.4, 0.8)
    assert (band.first, band.stop, band.size) == (4, 8, 4)


@pytest.mark.parametrize(
    ("gallery", "band", "count"),
    [
        (10, RankBand(5, 10), 1),
        (10, RankBand(3, 3), 1),
        (10, RankBand(2, 5), 4),
        (0, RankBand(0, 1), 1),
    ],
)
def test_a_gallery_too_small_for_the_band_is_told(gallery, band, count):
    with pytest.raises(InvalidInput, match="add images, or choose a wider band or fewer targets"):
        band.check(gallery, count)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_features_that_are_no_direction_are_told(value):
    features = np.ones((6, 2), dtype=np.float32)
    features[4] = value
    with pytest.raises(
        InvalidInput, match="features of 1 images are zero or not finite, first in row 4"
    ):
        drawn(features, np.arange(6), np.arange(6), RankBand(1, 3), 1)
