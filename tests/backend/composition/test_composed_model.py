"""A backbone with a composer: what many queries become, and how they score a gallery."""

from __future__ import annotations

import numpy as np
import pytest

from backend.composition import composed_model
from backend.composition.artefact import load_model, untrained_model
from backend.composition.composer import COMPOSERS
from backend.composition.sphere import normalise
from backend.errors import InvalidInput
from tests.backend.composition.strategies import units
from tests.backend.composition.trained_models import KINDS, TEXTS, images, write_model


@pytest.mark.parametrize("composer", COMPOSERS)
def test_queries_of_one_part_are_that_part(tiny, composer):
    model = untrained_model(tiny, composer)
    found = model.query_vectors(images(tiny), None)
    np.testing.assert_allclose(found, normalise(images(tiny)), atol=1e-6)
    found = model.query_vectors(None, TEXTS)
    np.testing.assert_allclose(found, normalise(tiny.encode_texts(TEXTS)), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_more_queries_than_a_batch_are_the_same_as_each_alone(tmp_path, tiny, kind, monkeypatch):
    write_model(tmp_path / "model", tiny, kind)
    model = load_model(tmp_path / "model", backbone=tiny)
    whole = model.query_vectors(images(tiny), TEXTS)
    monkeypatch.setattr(composed_model, "BATCH", 3)
    np.testing.assert_allclose(model.query_vectors(images(tiny), TEXTS), whole, atol=1e-6)
    assert model.query_vectors(images(tiny, 0), []).shape == (0, tiny.dim)


@pytest.mark.parametrize("composer", COMPOSERS)
def test_scores_are_cosines_or_the_product_of_both_similarities(tiny, composer):
    gallery = units(5, 9, tiny.dim)
    model = untrained_model(tiny, composer)
    found = model.scores(images(tiny), TEXTS, gallery)
    if composer == "product":
        seen, read = normalise(images(tiny)), normalise(tiny.encode_texts(TEXTS))
        expected = (1 + seen @ gallery.T) * (1 + read @ gallery.T)
    else:
        expected = model.query_vectors(images(tiny), TEXTS) @ gallery.T
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_unequal_numbers_of_pictures_and_texts_are_refused(tiny):
    model = untrained_model(tiny)
    with pytest.raises(InvalidInput, match="equally many of both"):
        model.query_vectors(images(tiny), TEXTS[:2])
    with pytest.raises(InvalidInput, match="give one of them"):
        model.query_vectors(None, None)
