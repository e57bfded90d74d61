"""A CoCa of random weights, small and whole: open_clip's class, its weights from a file."""

from __future__ import annotations

import json

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from backend.errors import InvalidInput
from tests.backend.search.shop import PREPROCESSING, write_tiny_backbone
from workers.captioning.coca import greedy, load_coca

TOWER = {"context_length": 20, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
COCA = {
    "embed_dim": 32,
    "vision_cfg": {
        "image_size": 32,
        "patch_size": 16,
        "width": 32,
        "layers": 1,
        "head_width": 16,
        "attentional_pool": True,
        "attn_pooler_heads": 2,
        "output_tokens": True,
    },
    "text_cfg": {**TOWER, "embed_cls": True, "output_tokens": True},
    "multimodal_cfg": {**TOWER, "attn_pooler_heads": 2},
    "custom_text": True,
}
START, END = 49406, 49407


def quiet(stage, done, total):
    pass


def new_model():
    return open_clip.CoCa(**{k: v for k, v in COCA.items() if k != "custom_text"}).eval()


@pytest.fixture(scope="module")
def model():
    """As open_clip makes it, its words are all alike: they and what it sees are made to differ."""
    torch.manual_seed(0)
    model = new_model()
    with torch.no_grad():
        model.text_decoder.text_projection.normal_()
        for name, weights in model.text_decoder.cross_attn.named_parameters():
            if name.endswith("weight") and "attn" in name:
                weights *= 6
    return model


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("coca")
    weights = {name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    config = {"model_cfg": COCA, "preprocess_cfg": PREPROCESSING}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def captioner(folder):
    return load_coca(f"local-dir:{folder}", None, "cpu", batch=2)


@pytest.fixture
def pictures(tmp_path):
    numbers = np.random.default_rng(0)
    for name in "abc":
        pixels = numbers.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return {name: tmp_path / f"{name}.png" for name in "abc"}


def alone(model, image, most, least):
    """One picture, one token at a time, the whole model run anew for each."""
    tokens = [START]
    while len(tokens) < most and tokens[-1] != END:
        with torch.no_grad():
            out = model(image[None], torch.tensor([tokens]), output_labels=False)
        scores = out["logits"][0, -1].clone()
        if len(tokens) < least:
            scores[END] = -torch.inf
        tokens.append(END if len(tokens) == most - 1 else int(scores.argmax()))
    return tokens


def ending_on(model, token):
    """The model with its end in the place of that word."""
    changed = new_model()
    changed.load_state_dict(model.state_dict())
    words = changed.text_decoder.text_projection
    with torch.no_grad():
        words[:, END], words[:, token] = words[:, token].clone(), words[:, END].clone()
    return changed


@pytest.mark.parametrize(("most", "least"), [(4, 1), (8, 5), (12, 12)])
def test_a_batch_says_what_each_picture_says_alone(model, most, least):
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    expected = [alone(model, image, most, least) for image in images]
    assert len({tuple(own) for own in expected}) > 1
    for row, own in zip(greedy(model, images, most, least).tolist(), expected, strict=True):
        assert row[: len(own)] == own
        assert set(row[len(own) :]) <= {model.pad_id}


def test_rows_that_end_early_are_padded_and_the_others_go_on(model):
    images = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    changed = ending_on(model, alone(model, images[0], 10, 2)[3])
    expected = [alone(changed, image, 10, 2) for image in images]
    assert len(expected[0]) == 4
    assert max(map(len, expected)) == 10
    found = greedy(changed, images, 10, 2).tolist()
    padding = [changed.pad_id] * 10
    assert found == [(own + padding)[:10] for own in expected]


def test_a_caption_starts_and_ends_and_keeps_its_bounds(model):
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    eager = ending_on(model, alone(model, images[0], 9, 1)[1])
    for row in greedy(eager, images, most=9, least=4).tolist():
        assert row[0] == START
        assert 4 <= row.index(END) <= 8
    assert greedy(eager, images, most=9, least=1)[0, 1] == END


def test_every_picture_gets_its_words(captioner, pictures):
    calls = []
    found = captioner.caption(pictures, {}, lambda *call: calls.append(call), lambda: False)
    assert set(found.texts) | set(found.failed) == set("abc")
    assert found.texts
    assert not any("_of_text" in text for text in found.texts.values())
    assert calls == [("captions", 2, 3), ("captions", 3, 3)]
    again = captioner.caption({"c": pictures["c"]}, {}, quiet, lambda: False)
    assert again.texts.get("c") == found.texts.get("c")


def test_the_words_are_those_of_the_tokens(captioner, model, pictures):
    from backend.encoding.preprocessing import Preprocessing

    see = Preprocessing(size=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    pixels = torch.from_numpy(see.pixels(Image.open(pictures["a"]))).float()
    tokens = alone(model, (pixels / 255 - 0.5) / 0.5, 20, 5)
    said = open_clip.decode(torch.tensor(tokens[1:-1])).split()
    found = captioner.caption({"a": pictures["a"]}, {}, quiet, lambda: False)
    assert found.texts["a"].split() == " ".join(said).rstrip(" .").split()


def test_pictures_that_cannot_be_read_are_named(captioner, pictures, tmp_path):
    (tmp_path / "bad.png").write_bytes(pictures["a"].read_bytes()[:100])
    given = {"bad": tmp_path / "bad.png", "a": pictures["a"], "gone": tmp_path / "gone.png"}
    found = captioner.caption(given, {}, quiet, lambda: False)
    assert set(found.failed) >= {"bad", "gone"}
    assert "damaged or cut short" in found.failed["bad"]
    assert found.failed["gone"].endswith("gone.png cannot be read (No such file or directory)")


def test_a_model_that_says_nothing_is_named(captioner, pictures, monkeypatch):
    monkeypatch.setattr("workers.captioning.coca._words", lambda tokens: "")
    found = captioner.caption(pictures, {}, quiet, lambda: False)
    assert found.failed == dict.fromkeys("abc", "the model said nothing about it")


def test_a_cancelled_run_keeps_what_it_has(captioner, pictures):
    stop = iter([False, True])
    found = captioner.caption(pictures, {}, quiet, lambda: next(stop))
    assert not found.complete
    assert set(found.texts) | set(found.failed) == {"a", "b"}


def test_weights_come_from_a_file(folder, pictures, captioner, tmp_path, monkeypatch):
    config = tmp_path / "coca_tiny.json"
    config.write_text(json.dumps(COCA))
    open_clip.add_model_config(config)
    loaded = load_coca("coca_tiny", folder / "model.safetensors", "cpu")
    assert loaded._backbone.spec.pretrained == str(folder / "model.safetensors")
    for name, tensor in captioner._backbone.model.state_dict().items():
        assert torch.equal(tensor, loaded._backbone.model.state_dict()[name]), name


def test_a_model_that_writes_no_captions_is_told(tmp_path):
    folder = write_tiny_backbone(tmp_path / "clip")
    with pytest.raises(InvalidInput, match="writes no captions in CLIP's tokens: choose coca_ViT"):
        load_coca(f"local-dir:{folder}", None, "cpu")


def test_weights_that_are_not_there_are_told(tmp_path):
    with pytest.raises(InvalidInput, match=r"There is no weights file .*gone.pt: check the path"):
        load_coca("coca_ViT-B-32", tmp_path / "gone.pt", "cpu")
