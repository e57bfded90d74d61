"""`akin compose`: the query vector itself, by a backbone and a composer, or by a model's folder."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from backend.commands.searching import compose
from backend.composition import artefact
from backend.composition.composer import COMPOSERS, QueryFeatures
from backend.composition.sphere import normalise
from backend.encoding.backbone import Backbone
from backend.encoding.decoding import decode_image
from backend.errors import AkinError
from tests.backend.composition.trained_models import card, write_model
from tests.backend.search.shop import load_tiny_backbone, picture, write_tiny_backbone

app = typer.Typer()
app.command()(compose)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    folder = write_tiny_backbone(tmp_path_factory.mktemp("backbones") / "tiny")
    return load_tiny_backbone(folder)


@pytest.fixture(autouse=True)
def chosen(tiny: Backbone, tmp_path, monkeypatch) -> None:
    """The tiny backbone is the settings' and one Combiner is shipped for it."""
    monkeypatch.setenv("AKIN_BACKBONE", tiny.spec.name)
    monkeypatch.setenv("AKIN_DEVICE", "cpu")
    monkeypatch.setattr(artefact, "SHIPPED", tmp_path / "shipped")
    write_model(tmp_path / "shipped" / "combiner", tiny, "combiner", name="combiner")


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(picture("pink"))
    return path


def run(*arguments) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exception is None, done.exception
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(*arguments) -> str:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert isinstance(done.exception, AkinError)
    return done.exception.sentence


def features(tiny: Backbone, text: str) -> QueryFeatures:
    pixels = tiny.preprocessing.pixels(decode_image(picture("pink"), draft=64))
    return QueryFeatures(tiny.encode_images(pixels[None])[0], tiny.encode_texts([text])[0], text)


@pytest.mark.parametrize("composer", COMPOSERS)
def test_a_composer_that_needs_no_training_is_chosen_by_name(tiny, photo, composer):
    found = run("--image", photo, "--text", "in blue", "--composer", composer)
    expected = COMPOSERS[composer].compose(features(tiny, "in blue"))
    assert (found["composer"], found["dim"]) == (composer, 16)
    assert found["vector"] == pytest.approx(expected, abs=1e-5)


def test_a_shipped_composer_is_chosen_by_name(tiny, photo, tmp_path):
    found = run("--image", photo, "--text", "in blue", "--composer", "combiner")
    model = artefact.load_model(tmp_path / "shipped" / "combiner", backbone=tiny)
    expected = model.composer.compose(features(tiny, "in blue"))
    assert found["vector"] == pytest.approx(expected, abs=1e-5)


def test_a_models_folder_brings_its_backbone_and_composer(tiny, photo, tmp_path, monkeypatch):
    write_model(tmp_path / "model", tiny, "phi")
    monkeypatch.setenv("AKIN_BACKBONE", "akin-demo")
    found = run("--model", tmp_path / "model", "--image", photo, "--text", "($) $ 5")
    model = artefact.load_model(tmp_path / "model", backbone=tiny)
    expected = model.composer.compose(features(tiny, "($) $ 5"))
    assert (found["model"], found["composer"], found["dim"]) == ("my-phi", "my-phi", 16)
    assert found["vector"] == pytest.approx(expected, abs=1e-5)


def test_strength_and_without_move_the_query_of_a_model(tiny, photo, tmp_path):
    both = ("--model", tmp_path / "shipped" / "combiner", "--image", photo, "--text", "in blue")
    asked = features(tiny, "in blue")
    assert run(*both, "--strength", -1)["vector"] == pytest.approx(asked.image_unit, abs=1e-5)
    assert run(*both, "--strength", 1)["vector"] == pytest.approx(asked.text_unit, abs=1e-5)
    (dots,) = normalise(tiny.encode_texts(["dots"]))
    away = np.array(run(*both, "--without", "dots")["vector"])
    assert away @ dots < np.array(run(*both)["vector"]) @ dots


def test_without_json_the_numbers_are_one_line(photo):
    done = CliRunner().invoke(app, ["--image", str(photo)])
    assert len(done.stdout.split()) == 16


def test_akin_demo_is_a_model_too():
    found = run("--model", "akin-demo", "--text", "a red dress")
    assert (found["composer"], found["dim"]) == ("sum", 256)


def test_what_cannot_be_composed_is_told(tiny, photo, tmp_path):
    assert refused("--text", "blue", "--composer", "magic") == (
        'No composer is called "magic": choose one of sum, slerp, product, combiner.'
    )
    assert refused("--model", tmp_path, "--composer", "sum", "--pretrained", "x").endswith(
        "leave out --model, or --composer and --pretrained."
    )
    assert "There is no model in" in refused("--model", tmp_path / "nowhere", "--text", "blue")
    assert "The query is empty" in refused("--composer", "combiner")
    other = {"text_fingerprint": "0" * 64}
    artefact.write_artefact(tmp_path / "other", card(tiny, "sum", **other))
    assert "another text tower" in refused("--model", tmp_path / "other", "--text", "blue")
