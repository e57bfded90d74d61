"""Model artefacts: written whole, read without executing anything, refused where they misfit."""

from __future__ import annotations

import json
import pickle
import shutil
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
    untrained_model,
    write_artefact,
)
from backend.composition.composer import COMPOSERS, QueryFeatures
from backend.composition.networks import Phi
from backend.composition.sphere import normalise
from backend.composition.trained import Centred
from backend.encoding.backbone import BackboneSpec, load_backbone
from backend.encoding.prompts import Prompt
from backend.errors import InvalidInput, NoSpace, NotFound
from tests.backend.composition.conftest import load
from tests.backend.composition.strategies import units, vectors
from tests.backend.composition.trained_models import KINDS, PROMPT, card, network, write_model
from tests.backend.search.shop import write_tiny_backbone
from tests.disks import small_disk

TEXTS = ("in red", "with long sleeves", "", "$ 5 $ ($)")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def images(backbone, count=len(TEXTS)):
    return vectors(2, count, backbone.dim)


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


# Many queries


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
    monkeypatch.setattr(artefact, "BATCH", 3)
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


# What is refused


@pytest.fixture
def written(tmp_path, tiny) -> Path:
    return write_model(tmp_path / "model", tiny, "phi")


def edit(folder: Path, **changes) -> None:
    facts = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**facts, **changes}))


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(NotFound, match=r"no model in .*nowhere: name a folder that holds a model"):
        load_model(tmp_path / "nowhere")


def test_a_newer_format_is_told(written, tiny):
    edit(written, format=2, composer="something new")
    with pytest.raises(
        InvalidInput, match="has format 2, and this Akin reads up to 1: use a newer"
    ):
        load_model(written, backbone=tiny)


@pytest.mark.parametrize("text", ['{"format": 1, "name"', "", "\0", "[1]", "null", "\ud800"])
def test_a_card_that_is_no_card_is_damaged(written, text):
    (written / "model.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InvalidInput, match=r"model\.json is damaged \("):
        read_card(written)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dim": "many"}, "dim: "),
        ({"composer": {"kind": "magic"}}, r"composer\.kind: "),
        ({"composer": {"kind": "phi"}}, "an inversion has a prompt"),
        ({"composer": {"kind": "sum", "prompt": "$"}}, "an inversion has a prompt"),
        ({"composer": {"kind": "phi", "prompt": "a photo"}}, "has no places for the picture"),
        ({"composer": {"kind": "sum", "centred": True}}, "needs both means"),
        ({"image_mean": [1.0]}, "another size than the features"),
        ({"name": "a\nb"}, "name: "),
        ({"created": "yesterday"}, "created: "),
    ],
)
def test_a_card_whose_facts_do_not_hold_is_damaged(written, change, reason):
    edit(written, **change)
    with pytest.raises(InvalidInput, match=rf"model\.json is damaged \(.*{reason}"):
        read_card(written)


def test_damaged_weights_are_told(written, tiny):
    file = written / "composer.safetensors"
    whole = file.read_bytes()
    for damaged in (whole[:100], whole[:-8], b"", b"\xff" * 64):
        file.write_bytes(damaged)
        with pytest.raises(InvalidInput, match=r"composer\.safetensors is damaged"):
            load_model(written, backbone=tiny)
    file.unlink()
    with pytest.raises(InvalidInput, match=r"There is no composer\.safetensors beside"):
        load_model(written, backbone=tiny)


class Trap:
    """Unpickling this would call `open`, and leave a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_in_an_artefact_is_executed(written, tiny, tmp_path):
    trace = tmp_path / "trace"
    (written / "composer.safetensors").write_bytes(pickle.dumps(Trap(trace)))
    (written / "towers.safetensors").write_bytes(pickle.dumps(Trap(trace)))
    with pytest.raises(InvalidInput, match=r"composer\.safetensors is damaged"):
        load_model(written, backbone=tiny)
    with pytest.raises(InvalidInput, match=r"towers\.safetensors is damaged"):
        load_model(written)
    assert not trace.exists()


def test_weights_of_another_method_are_told(written, tiny):
    edit(written, composer={"kind": "combiner"})
    with pytest.raises(InvalidInput, match="not those of a network of the kind combiner"):
        load_model(written, backbone=tiny)


def test_a_network_of_another_size_is_told(tmp_path, tiny):
    for dim, width, sentence in ((8, 32, "made for 8 features"), (16, 24, "24 numbers in a token")):
        write_artefact(tmp_path / "model", card(tiny, "phi"), Phi(dim, width).state_dict())
        with pytest.raises(InvalidInput, match=f"{sentence}.*, and its backbone has"):
            load_model(tmp_path / "model", backbone=tiny)


def test_a_model_of_another_image_tower_is_refused(written, other):
    sentence = "my-phi was trained on a backbone with another image tower .*, or train the model"
    with pytest.raises(InvalidInput, match=sentence):
        load_model(written, backbone=other)


def test_a_model_of_another_text_tower_is_refused(written, tiny):
    overlay = {"text_projection": tiny.model.text_projection + 1}
    changed = load_backbone(tiny.spec, device="cpu", overlay=overlay)
    with pytest.raises(InvalidInput, match="a backbone with another text tower"):
        load_model(written, backbone=changed)


def test_a_model_of_features_of_another_size_is_refused(written, tiny):
    edit(written, dim=640)
    with pytest.raises(InvalidInput, match="whose features have 640 numbers, not 16"):
        load_model(written, backbone=tiny)


def test_a_backbone_that_changed_under_its_name_is_refused(tmp_path):
    folder = write_tiny_backbone(tmp_path / "backbone")
    write_model(tmp_path / "model", load(folder), "combiner")
    shutil.rmtree(folder)
    write_tiny_backbone(folder, seed=1)
    with pytest.raises(InvalidInput, match="another image tower"):
        load_model(tmp_path / "model", device="cpu")


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
