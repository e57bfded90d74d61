from __future__ import annotations

import numpy as np
import pytest

from workers.recipes.positives.pairing import Dropped, Gallery, Pair, draw_pairs, sampled
from workers.recipes.positives.rank_bands import RankBand
from workers.recipes.positives.schema import PositivesParams


def never(texts):
    return [False] * len(texts)


def fan(captions):
    """Images at 0, 10, 20 ... degrees, called a, b, c ..., with these captions."""
    angles = np.radians(10 * np.arange(len(captions)))
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    names = [chr(ord("a") + number) for number in range(len(captions))]
    rows = np.arange(len(captions))
    return Gallery(names, rows, features, dict(zip(names, captions, strict=True)))


def pairs_of(gallery, band, params, references=None, dropped=None, block=10**6):
    places = np.arange(len(gallery.names)) if references is None else np.array(references)
    blocks = draw_pairs(gallery, places, band, params, never, dropped or Dropped(), block)
    return [pair for pairs in blocks for pair in pairs]


def test_by_hand():
    """Seen from a the farthest is d; of ranks 0 to 2 the last."""
    gallery = fan(["red", "green", "blue", "black"])
    pairs = pairs_of(gallery, RankBand(2, 3), PositivesParams(templates=(0, 2)), [0])
    assert pairs == [Pair("a", "d", ("black instead of red", "black"), "red", "black")]


def test_pairs_with_the_same_caption_are_counted_and_left_out():
    gallery = fan(["Red", "green", "blue", "red"])
    dropped = Dropped()
    pairs = pairs_of(gallery, RankBand(2, 3), PositivesParams(), dropped=dropped)
    assert [(pair.reference, pair.target) for pair in pairs] == [("b", "d"), ("c", "a")]
    assert dropped.same_caption == 2


def test_a_published_protocol_keeps_them():
    gallery = fan(["red", "green", "blue", "red"])
    params = PositivesParams(protocol="published:cirr")
    pairs = pairs_of(gallery, RankBand(2, 3), params, [0])
    assert pairs[0].captions == ("red instead of red", "Unlike red, I want red")


def test_each_reference_gets_so_many_targets():
    gallery = fan([f"caption {number}" for number in range(9)])
    pairs = pairs_of(gallery, RankBand(1, 6), PositivesParams(targets=3))
    assert [pair.reference for pair in pairs] == [name for name in gallery.names for _ in range(3)]
    assert len({(pair.reference, pair.target) for pair in pairs}) == 27
    assert all(pair.reference != pair.target for pair in pairs)


@pytest.mark.parametrize("block", [9, 40, 10**6])
def test_most_are_drawn_from_all_pairs_whatever_the_blocks(block):
    gallery = fan([f"caption {number}" for number in range(9)])
    every = pairs_of(gallery, RankBand(1, 6), PositivesParams(targets=3))
    some = pairs_of(gallery, RankBand(1, 6), PositivesParams(targets=3, most=10), block=block)
    assert len(some) == 10
    assert some == [pair for pair in every if pair in set(some)]
    assert some != every[:10]


def test_the_seed_decides():
    gallery = fan([f"caption {number}" for number in range(30)])
    one, again, other = (
        pairs_of(gallery, RankBand(5, 25), PositivesParams(seed=seed)) for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other


def test_a_sample_is_exact_and_no_larger_than_the_whole():
    assert sampled(5, None, 0).all()
    assert sampled(5, 9, 0).all()
    assert sampled(1_000, 30, 0).sum() == 30
    assert sampled(5, 0, 0).sum() == 0
