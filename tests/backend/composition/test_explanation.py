"""Shares of picture and words in a score (Decision 5)."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given

from backend.composition.composer import COMPOSERS, QueryFeatures
from backend.composition.explanation import FeatureMeans, explain
from backend.composition.query import compose_queries
from backend.composition.sphere import normalise
from tests.backend.composition.strategies import features, seeds, strengths, units, vector, vectors

every_composer = pytest.mark.parametrize("composer", COMPOSERS.values(), ids=COMPOSERS.keys())
with_and_without_means = pytest.mark.parametrize("known", [True, False], ids=["means", "no-means"])
RIGHT, UP = vector(1, 0), vector(0, 1)


def means_of(seed: int, dim: int) -> FeatureMeans:
    image, text = units(seed, 2, dim)
    return FeatureMeans(image=0.8 * image, text=0.7 * text)


@with_and_without_means
@every_composer
@given(features(), seeds, strengths)
def test_shares_and_baseline_add_up_to_the_score(composer, known, drawn, seed, strength):
    dim = drawn.image.size
    candidates = units(seed, 9, dim)
    compose = partial(
        compose_queries, composer, strength=strength, without=vectors(seed, 1, dim), lam=0.3
    )
    shares = explain(compose, drawn, means_of(seed, dim) if known else None, candidates)
    total = shares.image + shares.text + shares.baseline
    assert total == pytest.approx(compose([drawn])[0].score(candidates), abs=1e-9)


@with_and_without_means
@every_composer
@given(features(), seeds)
def test_swapping_picture_and_words_swaps_their_shares(composer, known, drawn, seed):
    candidates = units(seed, 5, drawn.image.size)
    means = means_of(seed, drawn.image.size) if known else None
    swapped_means = FeatureMeans(image=means.text, text=means.image) if means else None
    compose = partial(compose_queries, composer)
    shares = explain(compose, drawn, means, candidates)
    swapped = explain(compose, QueryFeatures(drawn.text, drawn.image), swapped_means, candidates)
    assert swapped.image == pytest.approx(shares.text, abs=1e-5)
    assert swapped.text == pytest.approx(shares.image, abs=1e-5)


@every_composer
@given(features(), seeds)
def test_words_that_say_only_what_texts_say_on_average_have_no_share(composer, drawn, seed):
    means = FeatureMeans(image=0.8 * drawn.image_unit, text=0.7 * drawn.text_unit)
    candidates = units(seed, 5, drawn.image.size)
    shares = explain(partial(compose_queries, composer), drawn, means, candidates)
    assert shares.image == pytest.approx(0, abs=1e-5)
    assert shares.text == pytest.approx(0, abs=1e-5)


@with_and_without_means
@given(features(), seeds)
def test_a_part_that_the_slider_silences_has_no_share(known, drawn, seed):
    candidates = units(seed, 5, drawn.image.size)
    means = means_of(seed, drawn.image.size) if known else None
    at_image = partial(compose_queries, COMPOSERS["product"], strength=-1.0)
    assert explain(at_image, drawn, means, candidates).text == pytest.approx(0, abs=1e-5)


@with_and_without_means
@given(features(), seeds)
def test_a_query_of_one_part_gives_it_all(known, drawn, seed):
    candidates = units(seed, 5, drawn.image.size)
    means = means_of(seed, drawn.image.size) if known else None
    image_only = QueryFeatures(drawn.image, None)
    shares = explain(partial(compose_queries, COMPOSERS["sum"]), image_only, means, candidates)
    assert np.array_equal(shares.text, np.zeros(5))
    baseline = candidates @ normalise(means.image) if means else np.zeros(5)
    assert shares.baseline == pytest.approx(baseline, abs=1e-6)


def test_a_hit_that_looks_alike_and_one_that_reads_alike_are_told_apart():
    means = FeatureMeans(image=normalise(RIGHT + UP), text=normalise(RIGHT + UP))
    shares = explain(
        partial(compose_queries, COMPOSERS["sum"]),
        QueryFeatures(image=RIGHT, text=UP),
        means,
        np.stack([RIGHT, UP]),
    )
    looks, reads = zip(shares.image, shares.text, strict=True)
    assert looks[0] > 0 > looks[1]
    assert reads[1] > 0 > reads[0]


@pytest.mark.parametrize(("name", "baseline"), [("sum", 0), ("product", 1)])
def test_without_means_the_baseline_is_the_score_of_no_query(name, baseline):
    compose = partial(compose_queries, COMPOSERS[name])
    shares = explain(compose, QueryFeatures(RIGHT, UP), None, np.stack([RIGHT, UP]))
    assert shares.baseline.tolist() == [baseline, baseline]
