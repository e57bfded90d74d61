"""`akin models centre`: from a model to one whose queries leave out the means."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from backend.cli import app
from backend.composition.artefact import load_model, read_card, untrained_model, write_artefact
from backend.composition.sphere import normalise
from backend.errors import InvalidInput
from tests.backend.composition.trained_models import write_model
from tests.backend.search.shop import load_tiny_backbone, write_tiny_backbone
from tests.workers.trainer.benchmark_data import catalogue, paint
from workers import centring


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = write_tiny_backbone(tmp_path_factory.mktemp("centring") / "tiny")
    return load_tiny_backbone(folder)


@pytest.fixture
def plain(tiny, tmp_path):
    """A sum over a backbone without means."""
    write_artefact(tmp_path / "plain", untrained_model(tiny).card)
    return tmp_path / "plain"


def centre(*words):
    return CliRunner().invoke(app, ["models", "centre", *map(str, words)])


def features(rows):
    return np.random.default_rng(3).standard_normal((rows, 16)).astype(np.float32)


def test_the_means_are_those_of_the_datas_pictures_and_texts(plain, tiny, tmp_path):
    shop = catalogue(tmp_path / "shop")
    done = centre(
        plain, "--out", tmp_path / "out", "--data", shop, "--cache", tmp_path / "f", "--json"
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["composer"]["centred"] is True
    assert told["note"] == "The means are of 12 pictures and 2 texts of shop."
    texts = normalise(tiny.encode_texts(["in red", "is red"])).mean(axis=0)
    np.testing.assert_allclose(told["text_mean"], texts, atol=1e-6)
    model = load_model(tmp_path / "out", "cpu", 1, tiny)
    (answer,) = model.query_vectors(features(1), ["in red"])
    parts = normalise(features(1))[0] - model.image_mean
    words = normalise(tiny.encode_texts(["in red"]))[0] - model.text_mean
    np.testing.assert_allclose(answer, normalise(parts + words), atol=1e-5)


def test_the_demo_comes_with_means_of_its_own(tmp_path):
    done = centre("akin-demo", "--out", tmp_path / "out", "--composer", "slerp")
    assert done.exit_code == 0, done.output
    assert f"akin evaluate --model {tmp_path / 'out'}" in done.stderr
    card = read_card(tmp_path / "out")
    assert (card.name, card.parent, card.composer.kind) == ("slerp centred", "slerp", "slerp")
    assert card.note == "The means are those it came with."
    assert load_model(tmp_path / "out", "cpu", 1).composer.name == "slerp"


@pytest.mark.parametrize("kind", ["combiner", "phi"])
def test_networks_and_towers_go_along(tiny, tmp_path, kind):
    write_model(tmp_path / "trained", tiny, kind)
    shop = catalogue(tmp_path / "shop")
    done = centre(tmp_path / "trained", "--out", tmp_path / "out", "--data", shop)
    assert done.exit_code == 0, done.output
    before, after = (load_model(tmp_path / name, "cpu", 1, tiny) for name in ("trained", "out"))
    assert "was trained on features with their means" in done.stderr
    one, other = (model.query_vectors(features(4), ["in red"] * 4) for model in (before, after))
    assert not np.allclose(one, other, atol=1e-3)
    assert after.card.composer.prompt == before.card.composer.prompt
    assert after.card.metrics == {}


def test_of_many_a_sample_is_measured_evenly(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(centring, "SAMPLE", 5)
    done = centre(
        plain, "--out", tmp_path / "out", "--data", catalogue(tmp_path / "shop"), "--json"
    )
    assert json.loads(done.stdout)["note"] == "The means are of 5 pictures and 2 texts of shop."


def test_without_means_data_is_asked_for(plain, tmp_path):
    refused = centre(plain, "--out", tmp_path / "out").exception
    assert isinstance(refused, InvalidInput)
    assert refused.sentence == (
        "The model sum comes without means: name with --data pictures and texts to measure them on."
    )


def test_twice_is_refused(plain, tmp_path):
    shop = catalogue(tmp_path / "shop")
    assert centre(plain, "--out", tmp_path / "out", "--data", shop).exit_code == 0
    refused = centre(tmp_path / "out", "--out", tmp_path / "again", "--data", shop).exception
    assert isinstance(refused, InvalidInput)
    assert refused.sentence == "The model sum centred is centred already: use it as it is."


def test_pictures_without_texts_are_refused(plain, tmp_path):
    paint(tmp_path / "pictures", "a.png", "b.png")
    refused = centre(plain, "--out", tmp_path / "out", "--data", tmp_path / "pictures").exception
    assert isinstance(refused, InvalidInput)
    assert not (tmp_path / "out").exists()
