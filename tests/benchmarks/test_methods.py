"""The published algorithms and ours come to the same, which is why their times may be compared."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.comparing import Item
from benchmarks.method_bench import Bench, towers
from benchmarks.method_metrics import circo_item, cirr_item, fashioniq_item
from benchmarks.method_storing import appending_item
from benchmarks.method_training import (
    bank_items,
    combiner_item,
    lincir_items,
    pic2word_item,
    text_item,
)

pytestmark = pytest.mark.long

TINY = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49_408, "width": 32, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"), towers(TINY), scale=0.1)


def assert_same_features(item: Item) -> None:
    first, second = item.theirs(), item.ours()
    assert first.shape == second.shape
    np.testing.assert_allclose(first, second, atol=1e-4)


@pytest.mark.parametrize(
    ("make", "queries", "images"),
    [(fashioniq_item, 60, 200), (cirr_item, 60, 66), (circo_item, 12, 300)],
)
def test_both_metrics_are_the_same(make, queries, images):
    item = make(queries, images)
    first, second = item.theirs(), item.ours()
    assert {name: second[name] for name in first} == pytest.approx(first)
    assert 0 < first[next(iter(first))] < 100  # neither all right nor all wrong


@pytest.mark.parametrize(
    "make",
    [lambda bench: [combiner_item(bench)], lincir_items, lambda bench: [pic2word_item(bench)]],
)
def test_both_steps_have_the_same_loss(make, bench):
    """The first; the second of each differs from it, so both move weights."""
    items = make(bench)
    first = items[0].theirs()
    for item in items:
        assert item.ours() == pytest.approx(first, rel=1e-4)
        assert item.ours() != first
    assert items[0].theirs() != first


def test_both_banks_hold_the_same_features(bench):
    for item in bank_items(bench):
        assert_same_features(item)


def test_both_text_towers_read_the_same(tmp_path):
    assert_same_features(text_item(tmp_path, 8, TINY))


def test_both_ways_of_appending_keep_everything(tmp_path):
    assert_same_features(appending_item(tmp_path, 70, width=5))
