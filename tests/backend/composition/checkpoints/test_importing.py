"""Published checkpoints, at tiny sizes: the model that is written answers as the original did."""

from __future__ import annotations

import numpy as np
import open_clip
import pytest
import torch
from torch.nn import functional

from backend.composition.artefact import load_model
from backend.composition.checkpoints.importing import ImportOptions, import_checkpoint
from tests.backend.composition.checkpoints import originals
from tests.backend.composition.checkpoints.layouts import (
    TINY,
    TINY_RESNET,
    combiner,
    filled,
    im2text,
    openai_clip,
    phi,
    prefixed,
)

TEXTS = ["is red, with longer sleeves", "and without the $ 5 * print"]
CLIP = filled(openai_clip(TINY))
RESNET = filled(openai_clip(TINY_RESNET))
COMBINER = filled(combiner(16, 32, 64), seed=1)
PHI = filled(phi(16, 64, 64), seed=2)
IM2TEXT = filled(im2text(16, 24, 64), seed=3)
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)
TOKENIZE = open_clip.SimpleTokenizer(context_length=77)


def pictures(size):
    return np.random.default_rng(4).integers(0, 256, (2, 3, size, size), dtype=np.uint8)


def seen(state, pixels):
    return originals.image_features(state, (torch.from_numpy(pixels) / 255 - MEAN) / STD)


def read(state, template, pseudo):
    """The published way: the finished sentence is looked through for the placeholder."""
    mark = 259 if "$" in template else 265
    clean = [text.replace("$ ", "").replace("* ", "") for text in TEXTS]
    tokens = TOKENIZE([template.format(text) for text in clean])
    at = (tokens == mark).int().argmax(dim=1)
    return functional.normalize(originals.text_features(state, tokens, pseudo, at))


def unmarked():
    return [text.replace("$ ", "").replace("* ", "") for text in TEXTS]


def imported(tmp_path, content, **options):
    torch.save(content, tmp_path / "published.pt")
    report = import_checkpoint(
        tmp_path / "published.pt", tmp_path / "model", ImportOptions(**options)
    )
    return report, load_model(tmp_path / "model", device="cpu", threads=1)


def answers(model, pixels, texts=TEXTS):
    return model.query_vectors(model.backbone.encode_images(pixels), texts)


def test_clip4cir_towers_answer_with_the_sum_of_un_normalised_features(tmp_path):
    for name, state, size in (("vit", CLIP, 32), ("resnet", RESNET, 64)):
        folder = tmp_path / name
        folder.mkdir()
        report, model = imported(folder, {"epoch": 7, "CLIP": state})
        pixels = pictures(size)
        total = seen(state, pixels) + originals.text_features(state, TOKENIZE(TEXTS))
        found = answers(model, pixels)
        np.testing.assert_allclose(found, functional.normalize(total), atol=2e-6)
        assert (report.card.recipe, report.missing, report.unexpected) == ("clip4cir", (), ())
        assert report.card.parameters["epoch"] == 7
        assert model.backbone.preprocessing.kind == "targetpad"
        assert report.backbone_folder == folder / "model-backbone"


@pytest.mark.parametrize("prefix", ["clip.", "backbone."])
def test_spn4cir_checkpoints_are_the_whole_module(tmp_path, prefix):
    state = {**prefixed(prefix, CLIP), "tau": torch.tensor([0.02])}
    report, model = imported(tmp_path, {"epoch": 2, "state_dict": state})
    pixels = pictures(32)
    total = seen(CLIP, pixels) + originals.text_features(CLIP, TOKENIZE(TEXTS))
    np.testing.assert_allclose(answers(model, pixels), functional.normalize(total), atol=2e-6)
    assert report.card.recipe == "spn4cir"
    assert report.card.parameters["tau"] == pytest.approx(0.02)


def test_a_combiner_answers_over_its_own_tuned_towers(tmp_path):
    torch.save({"epoch": 9, "CLIP": RESNET}, tmp_path / "tuned.pt")
    report, model = imported(
        tmp_path, {"epoch": 3, "Combiner": COMBINER}, combine_with=tmp_path / "tuned.pt"
    )
    pixels = pictures(64)
    text = originals.text_features(RESNET, TOKENIZE(TEXTS))
    expected = originals.combined(COMBINER, seen(RESNET, pixels), text)
    np.testing.assert_allclose(answers(model, pixels), expected, atol=2e-6)
    assert report.network_parameters == sum(tensor.numel() for tensor in COMBINER.values())


def test_phi_over_openais_weights_reads_lincirs_sentence(tmp_path):
    torch.save(CLIP, tmp_path / "openai.pt")
    report, model = imported(
        tmp_path,
        {"epoch": 20000, "Phi": PHI},
        backbone="Tiny-ViT-quickgelu",
        pretrained=str(tmp_path / "openai.pt"),
    )
    pixels = pictures(32)
    expected = read(CLIP, "a photo of $ that {}", originals.phi(PHI, seen(CLIP, pixels)))
    np.testing.assert_allclose(answers(model, pixels, unmarked()), expected, atol=2e-6)
    assert model.card.composer.prompt == "a photo of $ that {}"
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "composer.safetensors",
        "model.json",
    ]
    assert report.backbone_folder is None


def test_pic2word_has_both_in_one_file_behind_the_prefix_of_data_parallel(tmp_path):
    content = {
        "epoch": 30,
        "name": "a run",
        "state_dict": prefixed("module.", CLIP),
        "state_dict_img2text": prefixed("module.", IM2TEXT),
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []},
    }
    _, model = imported(tmp_path, content)
    pixels = pictures(32)
    expected = read(CLIP, "a photo of * , {}", originals.im2text(IM2TEXT, seen(CLIP, pixels)))
    np.testing.assert_allclose(answers(model, pixels, unmarked()), expected, atol=2e-6)
    assert model.card.recipe == "pic2word"
