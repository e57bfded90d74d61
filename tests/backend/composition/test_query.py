"""Strength (Decision 3) and words to leave out (Decision 4)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.composition.composer import COMPOSERS, QueryFeatures
from backend.composition.query import compose_query
from backend.composition.sphere import normalise
from backend.errors import InvalidInput
from tests.backend.composition.strategies import (
    dims,
    features,
    seeds,
    strengths,
    units,
    vector,
    vectors,
)

every_composer = pytest.mark.parametrize("composer", COMPOSERS.values(), ids=COMPOSERS.keys())
SUM, PRODUCT = COMPOSERS["sum"], COMPOSERS["product"]
RIGHT, UP = vector(1, 0, 0), vector(0, 1, 0)


@every_composer
@given(features())
def test_the_slider_goes_from_image_over_the_composers_answer_to_text(composer, drawn):
    at = {s: compose_query(composer, drawn, strength=s).vector for s in (-1, 0, 1)}
    assert np.array_equal(at[-1], drawn.image_unit)
    assert np.array_equal(at[0], composer.compose(drawn))
    assert np.array_equal(at[1], drawn.text_unit)


@every_composer
@given(features(), strengths, strengths)
def test_more_strength_is_never_nearer_to_the_image(composer, drawn, one, other):
    weak, strong = (compose_query(composer, drawn, strength=s).vector for s in sorted((one, other)))
    assert strong @ drawn.image_unit <= weak @ drawn.image_unit + 1e-5
    assert strong @ drawn.text_unit >= weak @ drawn.text_unit - 1e-5


@given(features(), strengths)
def test_a_rescorer_takes_the_strength_as_exponents(drawn, strength):
    rescorer = compose_query(PRODUCT, drawn, strength=strength).rescorer
    assert rescorer is not None
    assert (rescorer.image_exponent, rescorer.text_exponent) == (1 - strength, 1 + strength)
    assert np.array_equal(rescorer.image, drawn.image_unit)
    assert np.array_equal(rescorer.text, drawn.text_unit)


@pytest.mark.parametrize("name", ["sum", "slerp"])
def test_only_late_fusion_rescores(name):
    assert compose_query(COMPOSERS[name], QueryFeatures(RIGHT, UP)).rescorer is None


@every_composer
@given(features(), strengths)
def test_a_single_part_is_the_query_at_any_strength(composer, drawn, strength):
    image_only = compose_query(composer, QueryFeatures(drawn.image, None), strength=strength)
    text_only = compose_query(composer, QueryFeatures(None, drawn.text), strength=strength)
    assert np.array_equal(image_only.vector, drawn.image_unit)
    assert np.array_equal(text_only.vector, drawn.text_unit)
    assert image_only.rescorer is text_only.rescorer is None
    assert image_only.text_unit is None
    assert text_only.image_unit is None


@pytest.mark.parametrize("strength", [-1.01, 2, float("nan")])
def test_a_strength_off_the_slider_is_refused(strength):
    with pytest.raises(InvalidInput, match="choose a number from -1 to 1"):
        compose_query(SUM, QueryFeatures(RIGHT, UP), strength=strength)


def test_without_is_the_formula_of_the_decision():
    phrases, mean = vectors(1, 3, 16), vectors(2, 1, 16)[0] / 30
    image, text = vectors(3, 2, 16)
    query = compose_query(SUM, QueryFeatures(image, text), without=phrases, text_mean=mean, lam=0.3)
    by_hand = SUM.compose(QueryFeatures(image, text)) - 0.3 * sum(
        w / np.linalg.norm(w) - mean for w in phrases
    )
    assert query.vector == pytest.approx(by_hand / np.linalg.norm(by_hand), abs=1e-6)


@every_composer
@given(features(), seeds, strengths)
def test_without_lowers_the_similarity_to_the_phrase(composer, drawn, seed, strength):
    phrase = vectors(seed, 1, drawn.image.size)
    plain = compose_query(composer, drawn, strength=strength)
    moved = compose_query(composer, drawn, strength=strength, without=phrase, lam=0.4)
    (unit,) = normalise(phrase)
    assert moved.vector @ unit <= plain.vector @ unit + 1e-5
    if abs(plain.vector @ unit) < 0.9:
        assert moved.vector @ unit < plain.vector @ unit - 0.01


@given(seeds, dims, strengths)
def test_without_holds_in_a_rescorer_too(seed, dim, strength):
    image, text, phrase = units(seed, 3, dim)
    plain, moved = (
        compose_query(PRODUCT, QueryFeatures(image, text), strength=strength, without=w, lam=0.4)
        for w in (None, phrase[None])
    )
    assert moved.score(phrase[None])[0] <= plain.score(phrase[None])[0] + 1e-5


def test_centred_phrases_do_not_push_away_from_text_as_such():
    mean = 0.9 * UP  # all texts lie around "up": the modality gap
    red = normalise(UP + vector(0, 0, 0.4))
    centred, raw = (
        compose_query(SUM, QueryFeatures(RIGHT, UP), without=red[None], text_mean=m).vector
        for m in (mean, None)
    )
    assert centred @ UP > raw @ UP
    assert centred @ vector(0, 0, 1) < 0


@given(features(), st.floats(0.1, 100))
def test_the_norm_of_a_phrase_does_not_matter(drawn, scale):
    phrase = vectors(5, 1, drawn.image.size)
    one = compose_query(SUM, drawn, without=phrase, lam=0.3).vector
    other = compose_query(SUM, drawn, without=phrase * np.float32(scale), lam=0.3).vector
    assert one == pytest.approx(other, abs=1e-4)


def test_no_phrase_changes_nothing():
    drawn = QueryFeatures(RIGHT, UP)
    nothing = compose_query(SUM, drawn, without=np.empty((0, 3), np.float32))
    assert np.array_equal(nothing.vector, SUM.compose(drawn))


def test_a_sixth_phrase_is_refused():
    with pytest.raises(InvalidInput, match="6 phrases: give at most 5"):
        compose_query(SUM, QueryFeatures(RIGHT, UP), without=vectors(0, 6, 3))


def test_phrases_of_another_backbone_are_refused():
    with pytest.raises(InvalidInput, match="4 features and the query 3"):
        compose_query(SUM, QueryFeatures(RIGHT, UP), without=vectors(0, 1, 4))


def test_phrases_that_cancel_the_query_are_refused():
    with pytest.raises(InvalidInput, match="cancel the whole query"):
        compose_query(SUM, QueryFeatures(RIGHT, None), without=RIGHT[None], lam=1.0)
