"""FashionIQ's real validation captions through reader, caption rules and the demo's text tower."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.composition.artefact import SHIPPED, load_model
from backend.composition.composer import QueryFeatures
from backend.encoding.backbone import Backbone, BackboneSpec, load_backbone
from workers.datasets import fashioniq
from workers.datasets.triplets import TripletSplit
from workers.metrics.captions import caption_rule
from workers.metrics.scores import unit
from workers.trainer.features import FeatureCache

REAL = Path(__file__).parents[4] / "shared/data/fashion-iq"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/fashion-iq is not there")
QUERIES = {"dress": 2_017, "shirt": 2_038, "toptee": 1_961}
IMAGES = {"dress": 3_817, "shirt": 6_346, "toptee": 5_373}
LONGEST = 35  # tokens, the start and the end among them
FEW = 128  # sentences with a pseudo token: each is an image's own


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(BackboneSpec(), device="cpu", threads=1)


@pytest.fixture(scope="module")
def splits() -> tuple[TripletSplit, ...]:
    return fashioniq.load(REAL, "val")


def told(splits: tuple[TripletSplit, ...], rule: str) -> list[tuple[str, ...]]:
    """What each query says by a rule, in one way or in two."""
    return [
        caption_rule(rule, "sum", split.name).texts(triplet.captions)
        for split in splits
        for triplet in split.triplets
    ]


def test_there_are_as_many_queries_and_images_as_were_published(splits):
    found = {split.name.split("/")[1]: split for split in splits}
    assert {name: len(split.triplets) for name, split in found.items()} == QUERIES
    assert {name: len(split.gallery) for name, split in found.items()} == IMAGES
    assert sum(QUERIES.values()) == 6_016
    everything = {image for split in splits for image in split.gallery}
    assert (sum(IMAGES.values()), len(everything)) == (15_536, 15_415)
    assert not any(one.target == one.reference for split in splits for one in split.triplets)


@pytest.mark.slow
def test_all_queries_go_through_the_text_tower(splits, backbone, tmp_path):
    texts = [text for (text,) in told(splits, "clip4cir")]
    assert len(texts) == 6_016
    assert max(backbone.token_counts(texts)) == LONGEST
    assert not any(backbone.cut(texts))
    features = FeatureCache(tmp_path).text_features(backbone, texts)
    assert features.shape == (6_016, backbone.dim)
    np.testing.assert_allclose(np.linalg.norm(unit(features), axis=1), 1, rtol=1e-5)
    again = backbone.encode_texts(texts[:64])  # beside others of other lengths
    np.testing.assert_allclose(features[:64], again, atol=1e-4)


def test_captions_that_say_nothing_leave_no_and_behind_by_our_own_rule(splits):
    """Two of a toptee and one of a shirt are empty; published codes join them all the same."""
    empty = [
        triplet
        for split in splits
        for triplet in split.triplets
        if not all(caption.strip() for caption in triplet.captions)
    ]
    assert len(empty) == 3
    for triplet in empty:
        (published,), (ours,) = (
            caption_rule(rule, "sum", "").texts(triplet.captions)
            for rule in ("clip4cir", "first and second")
        )
        assert published.lower().strip() in (f"{ours.lower()} and", f"and {ours.lower()}")


@pytest.mark.parametrize(
    ("kind", "rule", "ways"), [("lincir", "lincir", 2), ("pic2word", "pic2word", 1)]
)
def test_the_sentences_of_inversion_read_real_captions(splits, backbone, kind, rule, ways):
    """With the demo's own networks, and random pictures in the place of FashionIQ's."""
    model = load_model(SHIPPED / kind, device="cpu", threads=1, backbone=backbone)
    sentences = told(splits, rule)
    assert {len(one) for one in sentences} == {ways}
    pictures = np.random.default_rng(0).standard_normal((FEW, backbone.dim), dtype=np.float32)
    for way in range(ways):
        some = [one[way] for one in sentences[:: len(sentences) // FEW][:FEW]]
        assert not any(backbone.cut(some, model.composer.prompt))
        asked = [QueryFeatures(one, None, text) for one, text in zip(pictures, some, strict=True)]
        composed = np.stack(model.composer.compose_each(asked))
        np.testing.assert_allclose(np.linalg.norm(composed, axis=1), 1, rtol=1e-5)
