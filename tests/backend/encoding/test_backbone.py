"""Backbones of every kind of tower: what comes out, what is read, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from backend.encoding import towers
from backend.encoding.backbone import BackboneSpec, BadFeatures, load_backbone
from backend.encoding.loading import DEMO_FOLDER
from backend.errors import InvalidInput, SetupError

KINDS = ("tiny-native", "tiny-resnet", "tiny-custom", "tiny-timm", "tiny-both-ways")
TEXTS = ["red", "a long red dress with a hood", "in blue, with short sleeves and a white star", ""]


def pixels(backbone, count, seed=0):
    side = backbone.image_size
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 3, side, side)).astype(np.uint8)


def loaded(tiny, **changes):
    return load_backbone(BackboneSpec(tiny.name, str(tiny.weights), **changes), device="cpu")


@pytest.mark.parametrize("kind", KINDS)
def test_images_come_out_as_open_clip_encodes_them_un_normalised(tiny_models, kind):
    backbone = loaded(tiny_models[kind])
    seen = pixels(backbone, 3)
    model = open_clip.create_model(kind, pretrained=str(tiny_models[kind].weights)).eval()
    mean = torch.tensor(backbone.preprocessing.mean).view(1, 3, 1, 1)
    std = torch.tensor(backbone.preprocessing.std).view(1, 3, 1, 1)
    with torch.no_grad():
        expected = model.encode_image((torch.from_numpy(seen).float() / 255 - mean) / std).numpy()
    features = backbone.encode_images(seen)
    assert features.dtype == np.float32
    assert features.shape == (3, backbone.dim) == (3, 12)
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)
    assert not np.allclose(np.linalg.norm(features, axis=1), 1, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_texts_come_out_as_from_the_whole_context(tiny_models, kind):
    backbone = loaded(tiny_models[kind])
    model = open_clip.create_model(kind, pretrained=str(tiny_models[kind].weights)).eval()
    tokens = open_clip.get_tokenizer(kind)(TEXTS)
    with torch.no_grad():
        expected = model.encode_text(tokens).numpy()
    np.testing.assert_allclose(backbone.encode_texts(TEXTS), expected, rtol=1e-4, atol=3e-6)


@pytest.mark.parametrize(("kind", "length"), [("tiny-native", 3), ("tiny-both-ways", 16)])
def test_only_causal_towers_that_pool_at_the_end_are_trimmed(
    tiny_models, kind, length, monkeypatch
):
    backbone = loaded(tiny_models[kind])
    model = backbone._parts.model
    seen = []
    tower = towers.text_tower(model)
    first = tower.transformer.resblocks[0].ln_1
    first.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[1]))
    backbone.encode_texts(["red"])
    assert seen == [length]


def test_no_pictures_and_no_texts_are_no_features(tiny_models):
    backbone = loaded(tiny_models["tiny-native"])
    assert backbone.encode_images(pixels(backbone, 0)).shape == (0, 12)
    assert backbone.encode_texts([]).shape == (0, 12)


def test_a_text_beyond_the_context_is_cut_and_said_to_be(tiny_models):
    backbone = loaded(tiny_models["tiny-native"])
    long = " ".join(["red"] * 40)
    assert backbone.context_length == 16
    assert backbone.token_counts(["", "red", "a red dress", long]) == [2, 3, 5, 42]
    assert backbone.cut(["red", " ".join(["red"] * 14), " ".join(["red"] * 15)]) == [False] * 2 + [
        True
    ]
    same = backbone.encode_texts([long, " ".join(["red"] * 14)])
    np.testing.assert_allclose(same[0], same[1], atol=1e-5)


@pytest.mark.parametrize(("value", "where"), [(np.nan, 1), (np.inf, 0), (0.0, 2)])
def test_features_that_are_no_direction_name_their_rows(tiny_models, value, where):
    backbone = loaded(tiny_models["tiny-native"])

    def spoil(module, args, features):
        features[where] = value
        return features

    backbone._parts.model.visual.register_forward_hook(spoil)
    with pytest.raises(BadFeatures, match=f"1 of the images \\(rows {where}\\)") as caught:
        backbone.encode_images(pixels(backbone, 4))
    assert caught.value.rows == [where]


def test_the_fingerprint_is_of_the_image_tower_and_its_preprocessing_alone(tiny_models, tmp_path):
    tiny = tiny_models["tiny-native"]
    state = load_file(tiny.weights)
    print_of = loaded(tiny).fingerprint
    other_text = replace(tiny, weights=tmp_path / "text.safetensors")
    save_file({**state, "text_projection": state["text_projection"] + 1}, other_text.weights)
    other_image = replace(tiny, weights=tmp_path / "image.safetensors")
    save_file({**state, "visual.proj": state["visual.proj"] + 1}, other_image.weights)
    assert len(print_of) == 64
    assert loaded(tiny).fingerprint == print_of
    assert loaded(other_text).fingerprint == print_of
    assert loaded(other_image).fingerprint != print_of
    assert loaded(tiny, preprocessing="squarepad").fingerprint != print_of


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".pth"])
def test_weights_saved_by_torch_are_read_as_tensors(tiny_models, tmp_path, suffix):
    tiny = tiny_models["tiny-native"]
    path = tmp_path / f"weights{suffix}"
    torch.save({"state_dict": load_file(tiny.weights)}, path)
    assert loaded(replace(tiny, weights=path)).fingerprint == loaded(tiny).fingerprint


class Trap:
    """Unpickling this would call `open`, and leave a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_is_refused_and_not_executed(tiny_models, tmp_path):
    path, trace = tmp_path / "weights.pt", tmp_path / "trace"
    torch.save({"state_dict": {"x": Trap(trace)}}, path)
    with pytest.raises(InvalidInput, match=r"weights\.pt is damaged, or holds code or objects"):
        loaded(replace(tiny_models["tiny-native"], weights=path))
    assert not trace.exists()


def test_a_damaged_weights_file_is_refused(tiny_models, tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(tiny_models["tiny-native"].weights.read_bytes()[:1000])
    with pytest.raises(InvalidInput, match=r"weights\.safetensors is damaged"):
        loaded(replace(tiny_models["tiny-native"], weights=path))


def test_weights_of_another_architecture_name_what_does_not_fit(tiny_models):
    wrong = replace(tiny_models["tiny-native"], weights=tiny_models["tiny-wide"].weights)
    sentence = r"another architecture than tiny-native: .*is \(8, 20\) instead of \(8, 12\)"
    with pytest.raises(InvalidInput, match=sentence):
        loaded(wrong)
    wrong = replace(tiny_models["tiny-timm"], weights=tiny_models["tiny-native"].weights)
    with pytest.raises(InvalidInput, match=r"is missing, .* and \d+ more"):
        loaded(wrong)


@pytest.mark.parametrize(
    ("name", "pretrained", "sentence"),
    [
        ("ViT-B-33", None, "no architecture 'ViT-B-33' in open_clip: the closest are ViT-B-32"),
        ("ViT-B-32", None, "ViT-B-32 needs weights: give a pretrained tag \\(openai, "),
        ("ViT-B-32", "opanai", "no weights 'opanai' for ViT-B-32: the closest are openai"),
        ("ViT-B-32", "nowhere/weights.pt", "no weights file nowhere/weights.pt"),
        ("local-dir:nowhere", None, "no open_clip_config.json in nowhere"),
    ],
)
def test_a_backbone_that_is_not_there_is_refused_in_one_sentence(name, pretrained, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        load_backbone(BackboneSpec(name, pretrained))


def test_an_unreachable_hub_is_told(monkeypatch):
    def unreachable(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(open_clip.factory, "download_pretrained_from_hf", unreachable)
    with pytest.raises(SetupError, match="hf-hub:org/name could not be fetched: check the network"):
        load_backbone(BackboneSpec("hf-hub:org/name"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told(tiny_models):
    tiny = tiny_models["tiny-native"]
    with pytest.raises(SetupError, match="no GPU that torch can use as 'cuda'"):
        load_backbone(BackboneSpec(tiny.name, str(tiny.weights)), device="cuda")


def test_the_number_of_threads_is_kept_to(tiny_models):
    tiny = tiny_models["tiny-native"]
    backbone = load_backbone(BackboneSpec(tiny.name, str(tiny.weights)), device="cpu", threads=1)
    before = torch.get_num_threads()
    try:
        backbone.encode_texts(["red"])
        assert torch.get_num_threads() == 1
        backbone.encode_texts(["red"], threads=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_demo_is_read_from_the_package_with_even_norms_and_means():
    backbone = load_backbone(BackboneSpec(), device="cpu")
    assert backbone.is_demo
    assert backbone.dim == 256
    assert 1 < backbone.logit_scale <= 100
    assert backbone.image_mean is not None
    assert backbone.text_mean is not None
    assert backbone.image_mean.shape == backbone.text_mean.shape == (256,)
    card = json.loads((DEMO_FOLDER / "card.json").read_text())
    assert card["mean_norms"] == pytest.approx({"image": 10.0, "text": 10.0}, abs=0.1)
    assert (DEMO_FOLDER / "model.safetensors").stat().st_size <= 30_000_000


def test_a_folder_of_the_same_files_is_the_same_backbone(tmp_path):
    shutil.copytree(DEMO_FOLDER, tmp_path / "copy")
    copy = load_backbone(BackboneSpec(f"local-dir:{tmp_path / 'copy'}"), device="cpu")
    demo = load_backbone(BackboneSpec(), device="cpu")
    assert copy.fingerprint == demo.fingerprint
    assert not copy.is_demo


def test_tiny_models_have_no_means(tiny_models):
    backbone = loaded(tiny_models["tiny-native"])
    assert backbone.image_mean is None
    assert backbone.text_mean is None
    assert not backbone.is_demo


def test_preprocessing_and_decoding_do_without_torch():
    code = (
        "import sys, backend.encoding.preprocessing, backend.encoding.decoding, "
        "backend.encoding.spec; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
