"""Composers with trained weights, and mean-centring around any composer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from backend.composition.composer import COMPOSERS, QueryFeatures
from backend.composition.explanation import FeatureMeans, explain
from backend.composition.query import compose_queries, compose_query
from backend.composition.sphere import normalise
from backend.composition.trained import Centred, CombinerComposer, InversionComposer
from backend.encoding.prompts import Prompt
from backend.errors import InvalidInput
from tests.backend.composition.strategies import units, vector, vectors
from tests.backend.composition.trained_models import KINDS, PROMPT, network

WORDS = ("in red", "with long sleeves", "and dots")


class Reader:
    """A backbone's text tower that remembers what it was asked to read."""

    def __init__(self, backbone) -> None:
        self.backbone = backbone
        self.calls: list[list[str | None]] = []

    def __call__(self, prompt: Prompt, pseudo, captions: Sequence[str | None]):
        self.calls.append(list(captions))
        return self.backbone.encode_prompts(prompt, pseudo, captions)


@pytest.fixture
def reader(tiny):
    return Reader(tiny)


def composer_of(kind, backbone, reader):
    made: Any = network(kind, backbone)
    if kind == "combiner":
        return CombinerComposer(made)
    return InversionComposer(made, Prompt.parse(PROMPT), reader)


@pytest.fixture(params=["phi", "im2text"])
def inversion(request, tiny, reader):
    return composer_of(request.param, tiny, reader)


@pytest.fixture
def combiner(tiny, reader):
    return composer_of("combiner", tiny, reader)


@pytest.fixture(params=KINDS)
def trained(request, tiny, reader):
    return composer_of(request.param, tiny, reader)


def queries(backbone, captions=WORDS):
    images = vectors(1, len(captions), backbone.dim)
    texts = backbone.encode_texts(captions)
    return [QueryFeatures(*part) for part in zip(images, texts, captions, strict=True)]


def test_a_combiner_takes_both_features_as_they_are(tiny, combiner):
    asked = queries(tiny)
    images, texts = (torch.from_numpy(np.stack(rows)) for rows in zip(*parts(asked), strict=True))
    with torch.no_grad():
        expected = network("combiner", tiny)(images, texts).numpy()
    np.testing.assert_allclose(combiner.compose_each(asked), expected, atol=1e-6)


@pytest.mark.parametrize("value", [float("nan"), 1e30])
def test_a_combiner_whose_weights_overflow_answers_no_vector_of_nothing(tiny, combiner, value):
    with torch.no_grad():
        combiner.network.output_layer.weight.fill_(value)
        combiner.network.output_layer.bias.fill_(value)
    with pytest.raises(InvalidInput, match="zero or not a number"):
        combiner.compose_each(queries(tiny))


def parts(asked):
    return [(query.image, query.text) for query in asked]


def test_an_inverted_picture_is_read_in_its_prompt_with_the_words(tiny, inversion):
    asked = queries(tiny)
    with torch.no_grad():
        images = torch.from_numpy(np.stack([query.image for query in asked]))
        pseudo = inversion._network(images).numpy()
    expected = normalise(tiny.encode_prompts(Prompt.parse(PROMPT), pseudo, WORDS))
    np.testing.assert_allclose(inversion.compose_each(asked), expected, atol=1e-6)


def test_an_inverted_picture_without_words_is_read_alone(tiny, inversion, reader):
    (query,) = queries(tiny, WORDS[:1])
    alone = inversion.compose(QueryFeatures(query.image, query.text, None))
    blank = inversion.compose(QueryFeatures(query.image, None, "  "))
    assert alone == pytest.approx(blank, abs=1e-6)
    assert alone != pytest.approx(inversion.compose(query), abs=1e-3)


def test_several_queries_at_once_are_the_same_as_each_alone(trained, tiny):
    whole = queries(tiny)
    asked = [whole[0], QueryFeatures(None, whole[1].text, "in red"), whole[1], whole[2]]
    alone = [trained.compose(query) for query in asked]
    np.testing.assert_allclose(trained.compose_each(asked), alone, atol=1e-6)
    assert np.array_equal(trained.compose_each(asked)[1], asked[1].text_unit)
    assert all(row.dtype == np.float32 for row in alone)
    assert np.linalg.norm(alone, axis=1) == pytest.approx(1, abs=1e-6)


def test_several_pictures_are_read_in_one_call(tiny, inversion, reader):
    inversion.compose_each(queries(tiny))
    assert reader.calls == [list(WORDS)]


def test_a_combiner_of_one_part_is_that_part(tiny, combiner):
    (query,) = queries(tiny, WORDS[:1])
    assert np.array_equal(combiner.compose(QueryFeatures(query.image, None)), query.image_unit)
    assert np.array_equal(combiner.compose(QueryFeatures(None, query.text)), query.text_unit)


def test_strength_and_without_hold_for_trained_composers(trained, tiny):
    (query,) = queries(tiny, WORDS[:1])
    at = {s: compose_query(trained, query, strength=s).vector for s in (-1, 0, 1)}
    assert np.array_equal(at[-1], query.image_unit)
    assert at[0] == pytest.approx(trained.compose(query), abs=1e-6)
    assert np.array_equal(at[1], query.text_unit)
    phrase = vectors(4, 1, tiny.dim)
    (unit,) = normalise(phrase)
    moved = compose_query(trained, query, without=phrase, lam=0.4).vector
    assert moved @ unit < at[0] @ unit


def test_a_query_of_a_picture_alone_is_the_picture_and_not_its_inversion(tiny, inversion, reader):
    (query,) = queries(tiny, WORDS[:1])
    alone = compose_query(inversion, QueryFeatures(query.image, None), strength=0.5)
    assert np.array_equal(alone.vector, query.image_unit)
    assert reader.calls == []


# Explanations


@pytest.mark.parametrize("known", [True, False], ids=["means", "no-means"])
def test_shares_add_up_to_the_score_of_a_trained_composer(trained, known, tiny):
    (query,) = queries(tiny, WORDS[:1])
    candidates = units(3, 7, tiny.dim)
    means = FeatureMeans(*(0.7 * units(9, 2, tiny.dim))) if known else None
    compose = partial(compose_queries, trained, strength=0.2)
    shares = explain(compose, query, means, candidates)
    total = shares.image + shares.text + shares.baseline
    assert total == pytest.approx(compose([query])[0].score(candidates), abs=1e-6)


def test_an_explained_inversion_reads_its_four_sentences_in_one_call(tiny, inversion, reader):
    (query,) = queries(tiny, WORDS[:1])
    means = FeatureMeans(*(0.7 * units(9, 2, tiny.dim)))
    candidates = units(3, 5, tiny.dim)
    shares = explain(partial(compose_queries, inversion), query, means, candidates)
    assert reader.calls == [["in red", None, "in red", None]]
    mean = normalise(means.image) * np.linalg.norm(query.image)
    by_hand = {
        "both": inversion.compose(query),
        "image": inversion.compose(QueryFeatures(query.image, None)),
        "text": inversion.compose(QueryFeatures(mean, None, "in red")),
        "neither": inversion.compose(QueryFeatures(mean, None)),
    }
    value = {name: candidates @ vector for name, vector in by_hand.items()}
    expected = (value["image"] - value["neither"] + value["both"] - value["text"]) / 2
    assert shares.image == pytest.approx(expected, abs=1e-5)
    assert shares.baseline == pytest.approx(value["neither"], abs=1e-5)


def test_without_means_an_explained_inversion_reads_the_picture_alone(tiny, inversion, reader):
    (query,) = queries(tiny, WORDS[:1])
    candidates = units(3, 5, tiny.dim)
    shares = explain(partial(compose_queries, inversion), query, None, candidates)
    assert reader.calls == [["in red", None]]
    both, picture = (
        candidates @ inversion.compose(QueryFeatures(query.image, None, caption))
        for caption in ("in red", None)
    )
    words = candidates @ query.text_unit
    assert shares.image == pytest.approx((picture + both - words) / 2, abs=1e-5)
    assert shares.baseline == pytest.approx(0)


# Mean-centring

IMAGE_MEAN, TEXT_MEAN = vector(0.5, 0.1, 0), vector(0, 0.2, 0.6)
PAIR = QueryFeatures(vector(3, 0, 4), vector(0, 5, 0))


def test_a_centred_sum_adds_what_is_left_of_both_without_their_means():
    composer = Centred(COMPOSERS["sum"], IMAGE_MEAN, TEXT_MEAN)
    image, text = np.array([0.6, 0, 0.8]), np.array([0, 1, 0])
    expected = (image - IMAGE_MEAN) + (text - TEXT_MEAN)
    assert composer.compose(PAIR) == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)
    assert (composer.name, composer.label) == ("sum", COMPOSERS["sum"].label)


def test_a_centred_slerp_goes_between_what_is_left():
    image, text = PAIR.units
    left = QueryFeatures(image - IMAGE_MEAN, text - TEXT_MEAN)
    expected = COMPOSERS["slerp"].compose(left)
    composer = Centred(COMPOSERS["slerp"], IMAGE_MEAN, TEXT_MEAN)
    assert composer.compose(PAIR) == pytest.approx(expected, abs=1e-6)


def test_a_centred_product_rescores_by_what_is_left():
    composer = Centred(COMPOSERS["product"], IMAGE_MEAN, TEXT_MEAN)
    query = compose_query(composer, PAIR)
    assert query.rescorer is not None
    image = np.array([0.6, 0, 0.8]) - IMAGE_MEAN
    text = np.array([0, 1, 0]) - TEXT_MEAN
    assert query.rescorer.image == pytest.approx(image / np.linalg.norm(image), abs=1e-6)
    assert query.rescorer.text == pytest.approx(text / np.linalg.norm(text), abs=1e-6)


def test_a_centred_combiner_keeps_the_lengths_of_the_features(tiny, combiner):
    (query,) = queries(tiny, WORDS[:1])
    image_mean, text_mean = 0.6 * units(8, 2, tiny.dim)
    given = [
        np.linalg.norm(feature) * (feature / np.linalg.norm(feature) - mean)
        for feature, mean in ((query.image, image_mean), (query.text, text_mean))
    ]
    expected = combiner.compose(QueryFeatures(*given))
    composer = Centred(combiner, image_mean, text_mean)
    assert composer.compose(query) == pytest.approx(expected, abs=1e-5)


def test_of_a_centred_inversion_the_sentence_it_read_is_centred(tiny, inversion):
    (query,) = queries(tiny, WORDS[:1])
    image_mean, text_mean = 0.6 * units(8, 2, tiny.dim)
    expected = inversion.compose(query) - text_mean
    composer = Centred(inversion, image_mean, text_mean)
    assert composer.prompt == inversion.prompt
    assert composer.compose(query) == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)
    text = QueryFeatures(None, query.text, query.caption)
    assert np.array_equal(composer.compose(text), query.text_unit)


def test_centring_with_means_of_nothing_changes_nothing():
    nothing = vector(0, 0, 0)
    for composer in COMPOSERS.values():
        centred = Centred(composer, nothing, nothing)
        assert centred.compose(PAIR) == pytest.approx(composer.compose(PAIR), abs=1e-6)


def test_a_part_alone_is_not_centred():
    composer = Centred(COMPOSERS["sum"], IMAGE_MEAN, TEXT_MEAN)
    alone = composer.compose(QueryFeatures(PAIR.image, None))
    assert np.array_equal(alone, PAIR.units[0])


def test_a_query_that_is_its_means_leaves_nothing_and_says_so():
    composer = Centred(COMPOSERS["sum"], PAIR.units[0], PAIR.units[1])
    with pytest.raises(InvalidInput, match="cancel each other out"):
        composer.compose(PAIR)
