"""The composers without training: sum, slerp and the product of similarities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backend.composition.composer import (
    COMPOSERS,
    ComposedQuery,
    FeatureSum,
    QueryFeatures,
    Rescorer,
    composer_named,
)
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
RIGHT, UP = vector(1, 0), vector(0, 1)


def test_the_registry_names_three_composers():
    assert list(COMPOSERS) == ["sum", "slerp", "product"]
    assert composer_named("slerp") is COMPOSERS["slerp"]


def test_an_unknown_composer_is_refused_with_the_known_ones():
    with pytest.raises(InvalidInput, match='"magic": choose one of sum, slerp, product'):
        composer_named("magic")


def test_a_query_of_nothing_is_refused():
    with pytest.raises(InvalidInput, match="give a picture, a sentence, or both"):
        QueryFeatures(image=None, text=None)


def test_features_of_two_backbones_are_refused():
    with pytest.raises(InvalidInput, match="2 features and the text 3"):
        QueryFeatures(image=RIGHT, text=vector(1, 0, 0))


def test_a_zero_feature_is_refused():
    with pytest.raises(InvalidInput, match="zero or not a number"):
        QueryFeatures(image=np.zeros(4, np.float32), text=None)


@every_composer
@given(features())
def test_a_composed_vector_is_float32_of_length_one(composer, drawn):
    vector = composer.compose(drawn)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


@every_composer
@given(features())
def test_a_single_part_is_its_own_direction(composer, drawn):
    image_only = composer.compose(QueryFeatures(drawn.image, None))
    text_only = composer.compose(QueryFeatures(None, drawn.text))
    assert image_only == pytest.approx(drawn.image_unit, abs=1e-6)
    assert text_only == pytest.approx(drawn.text_unit, abs=1e-6)


@every_composer
@given(features(), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_the_norms_of_the_features_do_not_matter(composer, drawn, by_image, by_text):
    scaled = QueryFeatures(drawn.image * np.float32(by_image), drawn.text * np.float32(by_text))
    assert composer.compose(scaled) == pytest.approx(composer.compose(drawn), abs=1e-5)


@every_composer
@given(features())
def test_picture_and_words_weigh_the_same(composer, drawn):
    swapped = QueryFeatures(image=drawn.text, text=drawn.image)
    assert composer.compose(swapped) == pytest.approx(composer.compose(drawn), abs=1e-5)


def test_the_sum_is_the_normalised_sum_of_directions():
    query = QueryFeatures(image=vector(3, 0), text=vector(0, 0.1))
    assert COMPOSERS["sum"].compose(query) == pytest.approx([0.5**0.5, 0.5**0.5])


def test_the_feature_sum_adds_features_as_long_as_they_are():
    features = QueryFeatures(np.array([3, 0], np.float32), np.array([0, 4], np.float32))
    np.testing.assert_allclose(FeatureSum().compose(features), [0.6, 0.8], rtol=1e-6)
    alone = QueryFeatures(None, np.array([0, 4], np.float32))
    np.testing.assert_allclose(FeatureSum().compose(alone), [0, 1])


def test_a_feature_sum_that_cancels_is_refused():
    part = np.array([3, 4], np.float32)
    with pytest.raises(InvalidInput, match="cancel each other out"):
        FeatureSum().compose(QueryFeatures(part, -part))


@pytest.mark.parametrize("scale", [1e-7, 1.0, 1e7])
def test_whether_a_feature_sum_cancels_does_not_hang_on_the_features_scale(scale):
    image = np.array([3.0, 4.0, 0.0], np.float32) * np.float32(scale)
    text = np.array([0.0, 0.0, 5.0], np.float32) * np.float32(scale)
    composed = FeatureSum().compose(QueryFeatures(image, text))
    np.testing.assert_allclose(composed, np.array([0.6, 0.8, 1]) / np.sqrt(2), rtol=1e-6)
    with pytest.raises(InvalidInput, match="cancel"):
        FeatureSum().compose(QueryFeatures(image, -image * np.float32(1 + 2e-7)))


def test_the_sum_of_opposites_is_refused_and_slerp_still_answers():
    query = QueryFeatures(image=RIGHT, text=-RIGHT)
    with pytest.raises(InvalidInput, match="cancel each other out"):
        COMPOSERS["sum"].compose(query)
    assert abs(COMPOSERS["slerp"].compose(query) @ RIGHT) < 1e-6


@given(seeds, dims, strengths)
def test_the_rescorer_is_the_product_formula(seed, dim, strength):
    image, text, *candidates = units(seed, 12, dim).astype(np.float64)
    factors = [(1 + float(c @ image), 1 + float(c @ text)) for c in candidates]
    assume(min(min(pair) for pair in factors) > 0.01)  # a small power of ~0 magnifies rounding
    by_hand = [looks ** (1 - strength) * reads ** (1 + strength) for looks, reads in factors]
    image32, text32, *candidates32 = units(seed, 12, dim)
    scores = Rescorer(image32, text32, 1 - strength, 1 + strength).score(np.stack(candidates32))
    assert scores.dtype == np.float32
    assert scores == pytest.approx(by_hand, abs=1e-4)


def test_the_rescorer_gives_an_opposite_candidate_nothing():
    direction = normalise(vectors(7, 1, 33)[0])
    for exponent in (0.3, 1.0, 1.7):
        scores = Rescorer(direction, direction, exponent, exponent).score(-direction[None])
        assert scores == pytest.approx([0], abs=1e-3)


def test_a_query_scores_by_cosine_unless_it_has_a_rescorer():
    rescorer = Rescorer(image=RIGHT, text=UP)
    candidates = np.stack([RIGHT, -UP])
    assert ComposedQuery(RIGHT, None, RIGHT, None).score(candidates).tolist() == [1, 0]
    assert ComposedQuery(RIGHT, rescorer, RIGHT, UP).score(candidates).tolist() == [2, 0]
