"""Model artefacts: written whole, read without executing anything, refused where they misfit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.composition import artefact
from backend.composition.artefact import (
    SHIPPED,
    load_model,
    read_card,
    shipped_models,
    write_artefact,
)
from backend.composition.composer import COMPOSERS, QueryFeatures
from backend.composition.sphere import normalise
from backend.composition.trained import Centred
from backend.encoding.backbone import BackboneSpec, load_backbone
from backend.encoding.prompts import Prompt
from backend.errors import InvalidInput, NoSpace
from tests.backend.composition.strategies import units, vectors
from tests.backend.composition.trained_models import (
    KINDS,
    PROMPT,
    TEXTS,
    card,
    images,
    network,
    write_model,
)
from tests.disks import small_disk


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Round trips


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_is_read_again_answers_with_the_same_vectors(tmp_path, tiny, kind):
    write_model(tmp_path / "model", tiny, kind)
    first = load_model(tmp_path / "model", backbone=tiny)
    second = load_model(tmp_path / "model", device="cpu", threads=1)
    found = first.query_vectors(images(tiny), TEXTS)
    np.testing.assert_allclose(second.query_vectors(images(tiny), TEXTS), found, atol=1e-6)
    assert first.backbone is tiny
    assert found.shape == (len(TEXTS), tiny.dim)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-6)
    if kind == "combiner":
        features = (torch.from_numpy(part) for part in (images(tiny), tiny.encode_texts(TEXTS)))
        expected = network(kind, tiny)(*features).detach().numpy()
    else:
        pseudo = network(kind, tiny)(torch.from_numpy(images(tiny))).detach().numpy()
        expected = normalise(tiny.encode_prompts(Prompt.parse(PROMPT), pseudo, TEXTS))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_card_comes_back_as_it_was_written(tmp_path, tiny):
    written = card(
        tiny,
        "phi",
        parameters={"lr": 1e-4},
        data={"description": "titles", "hash": "ab", "counts": {"captions": 9}},
        metrics={"R@10": 71.25},
        parent="my-combiner",
        protocol="published",
        note="a try",
        image_mean=[0.25] * 16,
        text_mean=[-0.125] * 16,
    )
    write_artefact(tmp_path / "model", written, network("phi", tiny).state_dict())
    assert read_card(tmp_path / "model") == written
    assert names(tmp_path / "model") == ["composer.safetensors", "model.json"]
    model = load_model(tmp_path / "model", backbone=tiny)
    assert model.image_mean == pytest.approx(np.full(16, 0.25))
    assert model.text_mean == pytest.approx(np.full(16, -0.125))


def test_people_are_told_what_composer_it_is(tmp_path, tiny):
    write_model(tmp_path / "a", tiny, "combiner", name="combiner")
    write_model(tmp_path / "b", tiny, "im2text", name="p2w", recipe="pic2word")
    write_model(tmp_path / "c", tiny, "phi", name="words", recipe="mine")
    composers = [load_model(tmp_path / name, backbone=tiny).composer for name in "abc"]
    assert [(composer.name, composer.label) for composer in composers] == [
        ("combiner", "Learned combination"),
        ("p2w", "Picture as a word (Pic2Word)"),
        ("words", "Picture as a word (words)"),
    ]
    assert all(composer.description.endswith(".") for composer in composers)


@pytest.mark.parametrize("kind", COMPOSERS)
def test_a_model_without_a_network_has_a_composer_that_needs_none(tmp_path, tiny, kind):
    write_artefact(tmp_path / "model", card(tiny, kind))
    model = load_model(tmp_path / "model", backbone=tiny)
    assert model.composer is COMPOSERS[kind]
    assert names(tmp_path / "model") == ["model.json"]


def test_a_feature_sum_is_told_by_its_models_name_and_has_no_network(tmp_path, tiny):
    write_artefact(tmp_path / "model", card(tiny, "feature-sum", name="tuned"))
    model = load_model(tmp_path / "model", backbone=tiny)
    assert (model.composer.name, model.composer.label) == ("tuned", "Learned sum")
    assert names(tmp_path / "model") == ["model.json"]
    expected = normalise(images(tiny) + tiny.encode_texts(TEXTS))
    np.testing.assert_allclose(model.query_vectors(images(tiny), TEXTS), expected, atol=1e-6)


def test_a_centred_feature_sum_keeps_the_lengths_of_both(tmp_path, tiny):
    means = {"image_mean": [0.25] * tiny.dim, "text_mean": [-0.125] * tiny.dim}
    composer = {"kind": "feature-sum", "centred": True}
    write_artefact(tmp_path / "model", card(tiny, "feature-sum", composer=composer, **means))
    model = load_model(tmp_path / "model", backbone=tiny)
    own = (images(tiny), tiny.encode_texts(TEXTS))
    image, text = (
        (normalise(part) - mean) * np.linalg.norm(part, axis=1, keepdims=True)
        for part, mean in zip(own, (0.25, -0.125), strict=True)
    )
    found = model.query_vectors(images(tiny), TEXTS)
    np.testing.assert_allclose(found, normalise(image + text), atol=1e-5)


def test_a_centred_model_centres_by_the_means_on_its_card(tmp_path, tiny):
    means = (0.6 * units(8, 2, tiny.dim)).astype(np.float32)
    facts = card(
        tiny,
        "sum",
        composer={"kind": "sum", "centred": True},
        image_mean=means[0].tolist(),
        text_mean=means[1].tolist(),
    )
    write_artefact(tmp_path / "model", facts)
    model = load_model(tmp_path / "model", backbone=tiny)
    expected = Centred(COMPOSERS["sum"], *means)
    (text,) = tiny.encode_texts(["red"])
    query = QueryFeatures(images(tiny)[0], text)
    assert model.query_vectors(images(tiny, 1), ["red"])[0] == pytest.approx(
        expected.compose(query), abs=1e-6
    )


def test_changed_towers_are_laid_over_the_parent(tmp_path, tiny, tiny_folder):
    changed = {"text_projection": tiny.model.text_projection.clone() * 2 + 0.1}
    child = load_backbone(tiny.spec, device="cpu", overlay=changed)
    write_artefact(tmp_path / "model", card(child, "sum"), towers=changed)
    model = load_model(tmp_path / "model", device="cpu")
    assert model.backbone.text_fingerprint == child.text_fingerprint != tiny.text_fingerprint
    assert model.backbone.fingerprint == tiny.fingerprint
    np.testing.assert_allclose(
        model.backbone.encode_texts(["red"]), child.encode_texts(["red"]), atol=1e-6
    )
    again = load_model(tmp_path / "model", device="cpu", backbone=tiny)
    assert again.backbone.text_fingerprint == child.text_fingerprint


def test_the_demo_is_a_model_by_its_name():
    demo = load_backbone(BackboneSpec(), device="cpu", threads=1)
    model = load_model("akin-demo", backbone=demo)
    assert model.backbone is demo
    assert model.composer is COMPOSERS["sum"]
    assert model.card.fingerprint == demo.fingerprint
    assert model.text_mean == pytest.approx(demo.text_mean)
    assert load_model("akin-demo", device="cpu").backbone.fingerprint == demo.fingerprint


# Writing


def test_a_model_is_replaced_as_a_whole(written, tiny):
    write_artefact(written, card(tiny, "sum"))
    assert names(written) == ["model.json"]
    assert read_card(written).composer.kind == "sum"
    assert names(written.parent) == ["model"], "nothing is left beside it"


def test_a_folder_with_something_else_is_left_alone(tmp_path, tiny):
    (tmp_path / "photos").mkdir()
    write_artefact(tmp_path / "photos", card(tiny, "sum"))  # empty: no harm
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "beach.jpg").write_bytes(b"sand")
    for place in (tmp_path / "holiday", tmp_path / "holiday" / "beach.jpg"):
        with pytest.raises(InvalidInput, match="holds something else than a model: name a new"):
            write_artefact(place, card(tiny, "sum"))
    assert names(tmp_path / "holiday") == ["beach.jpg"]


def test_weights_that_the_kind_does_not_have_are_refused(tmp_path, tiny):
    with pytest.raises(InvalidInput, match="is a phi, and weights of a network are missing"):
        write_artefact(tmp_path / "model", card(tiny, "phi"))
    with pytest.raises(InvalidInput, match="is a sum, and weights of a network are too many"):
        write_artefact(tmp_path / "model", card(tiny, "sum"), network("phi", tiny).state_dict())
    assert names(tmp_path) == []


def test_a_full_disk_keeps_the_model_that_was_there(tmp_path, tiny):
    with small_disk(tmp_path / "disk", 1) as disk:
        folder = write_model(disk.root / "model", tiny, "combiner")
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        disk.fill(leave=8_192)
        with pytest.raises(NoSpace, match=r"disk is full, so the model was not written to .*model"):
            write_model(folder, tiny, "phi")
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        assert names(disk.root) == ["filling", "model"]
        assert load_model(folder, backbone=tiny).composer.name == "my-combiner"


# What is shipped


def test_of_the_shipped_models_those_that_fit_both_towers_are_offered(
    tmp_path, tiny, other, monkeypatch
):
    monkeypatch.setattr(artefact, "SHIPPED", tmp_path)
    assert shipped_models(tiny) == {}
    write_model(tmp_path / "lincir", tiny, "phi", name="lincir")
    write_model(tmp_path / "combiner", tiny, "combiner", name="combiner")
    write_model(tmp_path / "stranger", other, "combiner", name="stranger")
    text = load_backbone(
        tiny.spec, device="cpu", overlay={"text_projection": tiny.model.text_projection + 1}
    )
    write_model(tmp_path / "reader", text, "combiner", name="reader")
    found = shipped_models(tiny)
    assert [folder.name for folder in found] == ["combiner", "lincir"]
    assert [one.name for one in found.values()] == ["combiner", "lincir"]


@pytest.mark.parametrize("folder", sorted(SHIPPED.glob("*/")), ids=lambda folder: folder.name)
def test_what_is_shipped_can_be_loaded_over_the_demo_backbone(folder):
    demo = load_backbone(BackboneSpec(), device="cpu", threads=1)
    assert shipped_models(demo)[folder].name == folder.name
    found = load_model(folder, backbone=demo).query_vectors(
        vectors(1, 2, demo.dim), ["but in red", "with dots"]
    )
    assert found.shape == (2, demo.dim)
