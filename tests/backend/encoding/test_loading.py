"""Weights laid over a parent backbone's: by name, strictly, and with what follows from it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import open_clip
import pytest
import torch
from open_clip.coca_model import CoCa
from safetensors.torch import save_file

from backend.encoding import loading
from backend.encoding.backbone import Backbone, BackboneSpec, load_backbone
from backend.encoding.loading import DEMO_FOLDER
from backend.errors import InvalidInput
from tests.backend.encoding.test_backbone import pixels
from tests.backend.search.shop import write_tiny_backbone


def loaded(tiny, overlay=None) -> Backbone:
    spec = BackboneSpec(tiny.name, str(tiny.weights))
    return load_backbone(spec, device="cpu", overlay=overlay)


def test_an_overlay_replaces_the_weights_it_names_and_no_others(tiny_models):
    parent = loaded(tiny_models["tiny-native"])
    changed = {"text_projection": parent.model.text_projection + 1}
    child = loaded(tiny_models["tiny-native"], changed)
    for name, tensor in child.model.state_dict().items():
        expected = changed.get(name, parent.model.state_dict()[name])
        assert torch.equal(tensor, expected), name
    assert not (child.encode_texts(["red"]) == parent.encode_texts(["red"])).all()
    seen = pixels(parent, 2)
    assert (child.encode_images(seen) == parent.encode_images(seen)).all()


def test_clips_vocabulary_is_read_once_for_all_models_that_use_it_alike(tmp_path):
    folders = [write_tiny_backbone(tmp_path / name) for name in ("one", "other", "marked")]
    config = json.loads((folders[2] / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["tokenizer_kwargs"] = {"clean": "canonicalize"}
    (folders[2] / "open_clip_config.json").write_text(json.dumps(config))
    one, other, marked = (
        load_backbone(BackboneSpec(f"local-dir:{folder}"), device="cpu")._parts.tokenize
        for folder in folders
    )
    assert one is other
    for found, folder in ((one, folders[0]), (marked, folders[2])):
        theirs = open_clip.get_tokenizer(f"local-dir:{folder}")
        assert torch.equal(found(["RED, wide!"], 77), theirs(["RED, wide!"], 77))


def test_the_tokenizer_remembers_a_bounded_number_of_words(tmp_path, monkeypatch):
    folder = write_tiny_backbone(tmp_path / "one")
    tokenize = load_backbone(BackboneSpec(f"local-dir:{folder}"), device="cpu")._parts.tokenize
    assert isinstance(tokenize, open_clip.SimpleTokenizer)
    monkeypatch.setattr(loading, "MOST_WORDS", len(tokenize.cache) + 1)
    texts = ["zyxa zyxb zyxc", "q" * 100, "zyxa"]
    first = tokenize(texts, 77)
    assert [word for word in tokenize.cache if word.startswith(("zyx", "qq"))] == ["zyxa"]
    assert torch.equal(tokenize(texts, 77), first)
    theirs = open_clip.get_tokenizer(f"local-dir:{folder}")
    assert torch.equal(theirs(texts, 77), first)


def test_the_fingerprints_say_which_tower_an_overlay_changed(tiny_models):
    tiny = tiny_models["tiny-custom"]
    parent = loaded(tiny)
    text = loaded(tiny, {"text.text_projection": parent.model.text.text_projection * 2})
    image = loaded(tiny, {"visual.proj": parent.model.visual.proj * 2})
    assert text.fingerprint == parent.fingerprint
    assert text.text_fingerprint != parent.text_fingerprint
    assert image.fingerprint != parent.fingerprint
    assert image.text_fingerprint == parent.text_fingerprint
    assert len(parent.text_fingerprint) == 64


def test_half_precision_weights_are_laid_over_in_the_models_own(tiny_models):
    half = {"text_projection": torch.full((8, 12), 0.5, dtype=torch.float16)}
    model = loaded(tiny_models["tiny-native"], half).model
    assert model.text_projection.dtype == torch.float32
    assert (model.text_projection == 0.5).all()


def test_what_other_words_are_read_as_is_part_of_the_text_fingerprint(tmp_path):
    demo = load_backbone(BackboneSpec(), device="cpu")
    shutil.copytree(DEMO_FOLDER, tmp_path / "copy")
    card = json.loads((tmp_path / "copy" / "card.json").read_text())
    (tmp_path / "copy" / "card.json").write_text(json.dumps({**card, "vocabulary": ["red"]}))
    other = load_backbone(BackboneSpec(f"local-dir:{tmp_path / 'copy'}"), device="cpu")
    assert other.fingerprint == demo.fingerprint
    assert other.text_fingerprint != demo.text_fingerprint


@pytest.mark.parametrize(
    ("overlay", "reason"),
    [
        ({"text_projektion": torch.ones(8, 12)}, "text_projektion is unknown to it"),
        (
            {"text_projection": torch.ones(8, 20)},
            r"text_projection is \(8, 20\) instead of \(8, 12\)",
        ),
        (
            {f"transformer.{number}": torch.ones(1) for number in range(5)},
            "transformer.2 is unknown to it and 2 more",
        ),
    ],
)
def test_an_overlay_that_does_not_fit_is_refused(tiny_models, overlay, reason):
    with pytest.raises(InvalidInput, match=f"do not fit the backbone .*{reason}"):
        loaded(tiny_models["tiny-native"], overlay)


@pytest.mark.parametrize(
    "card",
    ["{", "[]", '{"vocabulary": 5}', '{"vocabulary": [1]}', '{"image_mean": "x"}', "[" * 100_000],
)
def test_a_damaged_card_is_one_sentence(tmp_path, card):
    folder = tmp_path / "copied"
    shutil.copytree(DEMO_FOLDER, folder)
    (folder / "card.json").write_text(card)
    with pytest.raises(InvalidInput) as caught:
        load_backbone(BackboneSpec(f"local-dir:{folder}"), device="cpu")
    assert caught.value.sentence == (
        f"{folder / 'card.json'} is damaged: copy the backbone again, or remove that file to do "
        "without the words and means that it lists."
    )


def _changed(config, part, **facts):
    return json.dumps({**config, "model_cfg": {**config["model_cfg"], part: facts}})


@pytest.mark.parametrize(
    "damaged",
    [
        lambda config: "{",
        lambda config: "[]",
        lambda config: "{}",
        lambda config: _changed(config, "text_cfg"),
        lambda config: _changed(config, "vision_cfg", layers="x"),
        lambda config: _changed(config, "speed", unknown=1),
    ],
)
def test_a_damaged_configuration_is_one_sentence(tmp_path, damaged):
    folder = tmp_path / "copied"
    shutil.copytree(DEMO_FOLDER, folder)
    path = folder / "open_clip_config.json"
    path.write_text(damaged(json.loads(path.read_text())))
    with pytest.raises(InvalidInput) as caught:
        load_backbone(BackboneSpec(f"local-dir:{folder}"), device="cpu")
    assert str(folder) in caught.value.sentence
    assert ": export the model again." in caught.value.sentence or "of another architecture" in (
        caught.value.sentence
    )


def test_a_coca_gives_features_as_long_as_they_are(tmp_path):
    """Its own methods make unit vectors unless they are told not to, and norms matter."""
    facts = open_clip.get_model_config("coca_ViT-B-32")
    assert facts is not None
    small = {"layers": 1, "width": 64}
    facts["vision_cfg"].update(small, image_size=32, patch_size=16, head_width=32)
    facts["text_cfg"].update(small, heads=2)
    facts["multimodal_cfg"].update(small, heads=2)
    facts["embed_dim"] = 64
    model = CoCa(**{name: value for name, value in facts.items() if name != "custom_text"})
    weights = {name: tensor.clone().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, tmp_path / "model.safetensors")
    config = {"model_cfg": facts, "preprocess_cfg": {}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    backbone = load_backbone(BackboneSpec(f"local-dir:{tmp_path}"), device="cpu")
    images = backbone.encode_images(pixels(backbone, 2))
    texts = backbone.encode_texts(["a red dress", "blue"])
    for features in (images, texts):
        assert (abs(np.linalg.norm(features, axis=1) - 1) > 0.1).all()


def test_the_means_of_a_changed_tower_are_forgotten():
    def with_changed(name):
        overlay = {name: torch.zeros_like(state[name]) + 0.1}
        return load_backbone(BackboneSpec(), device="cpu", overlay=overlay)

    demo = load_backbone(BackboneSpec(), device="cpu")
    state = demo.model.state_dict()
    assert demo.image_mean is not None
    text = with_changed("text_projection")
    assert (text.image_mean is None, text.text_mean is None) == (False, True)
    image = with_changed("visual.head.proj.weight")
    assert (image.image_mean is None, image.text_mean is None) == (True, False)
