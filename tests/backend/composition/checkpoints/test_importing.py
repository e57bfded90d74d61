"""Published checkpoints, at tiny sizes: the model that is written answers as the original did."""

from __future__ import annotations

import hashlib

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from backend.composition.artefact import load_model
from backend.composition.checkpoints.importing import ImportOptions, import_checkpoint
from backend.errors import InvalidInput, NoSpace
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
from tests.disks import small_disk

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
        assert report.card.composer.kind == "feature-sum"
        assert not (folder / "model" / "composer.safetensors").exists()
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
    assert (report.card.recipe, report.card.composer.kind) == ("spn4cir", "feature-sum")
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


def test_openais_own_file_in_half_precision_answers_as_its_float32(tmp_path):
    halves = {name: t.half() if t.is_floating_point() else t for name, t in CLIP.items()}
    facts = {"input_resolution": 32, "context_length": 77, "vocab_size": 49408}
    numbers = {name: torch.tensor(number) for name, number in facts.items()}
    report, model = imported(tmp_path, {**halves, **numbers})
    rounded = {name: tensor.float() for name, tensor in halves.items()}
    pixels = pictures(32)
    image = functional.normalize(seen(rounded, pixels))
    total = image + functional.normalize(originals.text_features(rounded, TOKENIZE(TEXTS)))
    np.testing.assert_allclose(answers(model, pixels), functional.normalize(total), atol=2e-6)
    assert (report.card.recipe, report.card.composer.kind, report.unexpected) == ("clip", "sum", ())
    assert model.backbone.preprocessing.kind == "clip"
    assert all(t.dtype == torch.float32 for t in model.backbone.model.parameters())


def test_over_a_named_parent_only_what_differs_is_kept(tmp_path):
    torch.save(CLIP, tmp_path / "openai.pt")
    tuned = {**CLIP, "text_projection": CLIP["text_projection"] * 1.5, "attn_mask": torch.ones(2)}
    del tuned["visual.proj"]
    report, model = imported(
        tmp_path,
        {"CLIP": tuned},
        backbone="Tiny-ViT-quickgelu",
        pretrained=str(tmp_path / "openai.pt"),
    )
    assert (report.missing, report.unexpected) == (("visual.proj",), ("attn_mask",))
    assert load_file(tmp_path / "model/towers.safetensors").keys() == {"text_projection"}
    assert report.changed == 1
    whole = {**tuned, "visual.proj": CLIP["visual.proj"]}
    pixels = pictures(32)
    total = seen(whole, pixels) + originals.text_features(whole, TOKENIZE(TEXTS))
    np.testing.assert_allclose(answers(model, pixels), functional.normalize(total), atol=2e-6)


def test_tensors_that_share_memory_are_written_apart(tmp_path):
    joint = torch.randn(2, 64)
    state = {**CLIP, "ln_final.bias": joint[0], "transformer.resblocks.0.ln_1.bias": joint[1]}
    _, model = imported(tmp_path, {"CLIP": state})
    assert torch.equal(model.backbone.model.state_dict()["ln_final.bias"], joint[0])


def test_unknown_tensors_of_a_network_are_left_out_and_named(tmp_path):
    torch.save({"CLIP": CLIP}, tmp_path / "clip.pt")
    content = {"Combiner": {**COMBINER, "logit_scale": torch.tensor(100.0)}}
    report, _ = imported(tmp_path, content, combine_with=tmp_path / "clip.pt")
    assert report.unexpected == ("logit_scale",)


def test_even_norms_scale_a_clip_once_and_keep_its_similarities(tmp_path):
    long = {**CLIP, "text_projection": CLIP["text_projection"] * 7}
    (tmp_path / "plain").mkdir()
    before, plain = imported(tmp_path / "plain", long, backbone="Tiny-ViT-quickgelu")
    report, model = imported(tmp_path, long, backbone="Tiny-ViT-quickgelu", even_norms=True)
    assert before.norms.ratio < 0.5
    assert report.norms == pytest.approx((10, 10), rel=1e-4)
    assert report.changed == 2
    assert model.card.parameters["evened"] is True
    pixels = pictures(32)
    np.testing.assert_allclose(answers(model, pixels), answers(plain, pixels), atol=2e-6)


def test_the_card_says_which_files_it_is_of(tmp_path):
    report, _ = imported(tmp_path, {"epoch": 7, "CLIP": CLIP}, name="tuned")
    digest = hashlib.sha256((tmp_path / "published.pt").read_bytes()).hexdigest()
    assert report.card.name == "tuned"
    assert report.card.parameters["imported"] == {"published.pt": digest}
    assert report.card.backbone.name == f"local-dir:{tmp_path}/model-backbone"


# What is refused, and leaves nothing behind


def refusal(tmp_path, content, **options):
    with pytest.raises(InvalidInput) as caught:
        imported(tmp_path, content, **options)
    assert not (tmp_path / "model/model.json").exists()
    assert not (tmp_path / "model-backbone/model.safetensors").exists()
    return caught.value.sentence


def test_missing_tensors_without_a_parent_are_counted_and_the_first_named(tmp_path):
    fewer = {name: tensor for name, tensor in CLIP.items() if "mlp" not in name}
    assert refusal(tmp_path, {"CLIP": fewer}).startswith(
        f"16 tensors of Tiny-ViT-quickgelu are missing from {tmp_path}/published.pt "
        "(visual.transformer.resblocks.0.mlp.c_fc.weight, "
    )


def test_a_network_alone_needs_a_backbone(tmp_path):
    assert refusal(tmp_path, {"Phi": PHI}) == (
        f"{tmp_path}/published.pt holds a network and no towers: name its backbone with "
        "--backbone and --pretrained, or the checkpoint of its CLIP with --combine-with."
    )


def test_a_network_for_other_features_is_refused(tmp_path):
    torch.save({"CLIP": CLIP}, tmp_path / "clip.pt")
    wide = filled(combiner(24, 32, 64))
    sentence = refusal(tmp_path, {"Combiner": wide}, combine_with=tmp_path / "clip.pt")
    assert sentence == (
        "The network is made for 24 features, and the CLIP beside it has 16: name the backbone "
        "that it was trained on."
    )
    narrow = filled(phi(16, 64, 48))
    sentence = refusal(tmp_path, {"Phi": narrow}, combine_with=tmp_path / "clip.pt")
    assert sentence.startswith("The network is made for 48 numbers in a token, and the CLIP ")
    torch.save(CLIP, tmp_path / "openai.pt")
    parent = {"backbone": "Tiny-ViT-quickgelu", "pretrained": str(tmp_path / "openai.pt")}
    sentence = refusal(tmp_path, {"Combiner": wide}, **parent)
    assert "24 features, and the backbone Tiny-ViT-quickgelu has 16" in sentence


def test_a_network_with_a_tensor_missing_is_refused(tmp_path):
    torch.save({"CLIP": CLIP}, tmp_path / "clip.pt")
    fewer = {name: tensor for name, tensor in COMBINER.items() if name != "output_layer.bias"}
    sentence = refusal(tmp_path, {"Combiner": fewer}, combine_with=tmp_path / "clip.pt")
    assert "The weights are not those of a network of the kind combiner" in sentence
    assert "output_layer.bias" in sentence


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    torch.save({"CLIP": CLIP}, tmp_path / "clip.pt")
    broken = {**PHI, "layers.0.bias": torch.full((64,), torch.nan)}
    assert refusal(tmp_path, {"Phi": broken}, combine_with=tmp_path / "clip.pt") == (
        "The network has weights that are no numbers: download it again."
    )


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        ({"CLIP": CLIP}, {"prompt": "a $"}, "Only an inversion (Phi, Pic2Word) reads in a prompt"),
        ({"CLIP": CLIP}, {"pretrained": "openai"}, "Weights belong to an architecture"),
        ({"CLIP": CLIP}, {"even_norms": True}, "depends on the norms that its features had"),
        ({"CLIP": CLIP}, {"backbone": "ViT-B-32"}, "are of another architecture than ViT-B-32"),
        ({"CLIP": CLIP, "Phi": PHI}, {"prompt": "no place"}, "has no places for the picture"),
    ],
)
def test_options_that_do_not_go_together_are_told(tmp_path, content, options, sentence):
    assert sentence in refusal(tmp_path, content, **options)


def test_openais_weights_are_not_read_with_another_activation(tmp_path):
    """Every tensor fits, so nothing else would tell."""
    plain = tmp_path / "plain.pt"
    torch.save(CLIP, plain)
    for options in ({"backbone": "Tiny-ViT"}, {"backbone": "Tiny-ViT", "pretrained": str(plain)}):
        assert refusal(tmp_path, {"CLIP": CLIP}, **options) == (
            f"The weights in {tmp_path}/published.pt were made with QuickGELU, and Tiny-ViT has "
            "GELU: name the architecture that ends in -quickgelu with --backbone, or leave it out."
        )


def test_a_name_that_no_model_can_have_is_told_before_anything_is_converted(tmp_path):
    for name in ("n" * 101, "two\nlines"):
        assert refusal(tmp_path, {"CLIP": CLIP}, name=name).endswith("choose another with --name.")


def test_a_long_file_name_is_cut_to_a_models_name(tmp_path):
    torch.save({"CLIP": CLIP}, tmp_path / f"{'f' * 150}.pt")
    path = tmp_path / f"{'f' * 150}.pt"
    report = import_checkpoint(path, tmp_path / "model", ImportOptions())
    assert report.card.name == "f" * 100


def test_what_has_numbers_for_names_is_of_no_known_kind(tmp_path):
    sentence = refusal(tmp_path, {"Combiner": {1: torch.zeros(2)}}, backbone="akin-demo")
    assert "is of no kind that is known (it begins with Combiner)" in sentence


def test_two_of_a_kind_do_not_make_a_pair(tmp_path):
    torch.save({"CLIP": CLIP}, tmp_path / "clip.pt")
    sentence = refusal(tmp_path, {"CLIP": CLIP}, combine_with=tmp_path / "clip.pt")
    assert sentence.startswith(f"{tmp_path}/published.pt and {tmp_path}/clip.pt do not make a pair")


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "model-backbone").mkdir()
    (tmp_path / "model-backbone/thesis.txt").write_text("mine")
    assert "holds something else than a backbone" in refusal(tmp_path, {"CLIP": CLIP})
    assert (tmp_path / "model-backbone/thesis.txt").read_text() == "mine"
    (tmp_path / "model").mkdir()
    (tmp_path / "model/thesis.txt").write_text("mine")
    assert "holds something else than a model" in refusal(tmp_path, {"CLIP": CLIP})


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    torch.save({"CLIP": CLIP}, tmp_path / "published.pt")
    with small_disk(tmp_path / "disk", 4) as disk:
        with pytest.raises(NoSpace, match="The disk is full, so the backbone was not written to"):
            import_checkpoint(tmp_path / "published.pt", disk.root / "model", ImportOptions())
        assert list(disk.root.iterdir()) == []
