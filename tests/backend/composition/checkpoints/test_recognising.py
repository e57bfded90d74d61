"""Kinds are told from keys and shapes, at the published sizes, without their memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backend.composition.checkpoints.recognising import recognise
from backend.errors import InvalidInput
from tests.backend.composition.checkpoints.layouts import (
    OPENAI,
    TINY,
    combiner,
    empty,
    im2text,
    openai_clip,
    phi,
    prefixed,
)

PATH = Path("published.pt")
RN50X4 = empty(openai_clip(OPENAI["RN50x4"]))
VIT_L = empty(openai_clip(OPENAI["ViT-L-14"]))
TINY_CLIP = empty(openai_clip(TINY))


def count(state):
    return sum(tensor.numel() for tensor in state.values())


@pytest.mark.parametrize(
    ("content", "kind", "parameters"),
    [
        ({"epoch": 200, "Combiner": empty(combiner(640, 2560, 5120))}, "combiner", 59_003_521),
        ({"Combiner": empty(combiner(640, 2560, 5120))}, "combiner", 59_003_521),
        ({"epoch": 20_000, "Phi": empty(phi(768, 3072, 768))}, "phi", 14_162_688),
        ({"Phi": empty(phi(512, 2048, 512))}, "phi", 6_296_064),
        (
            {"state_dict_img2text": prefixed("module.", empty(im2text(768, 512, 768)))},
            "im2text",
            1_050_368,
        ),
        (empty(phi(1280, 5120, 1280)), "phi", 39_333_120),
    ],
)
def test_networks_of_the_published_sizes(content, kind, parameters):
    found = recognise(content, PATH)
    assert found.network_kind == kind
    assert count(found.network) == parameters
    assert found.towers is None
    assert found.method == {"im2text": "pic2word"}.get(kind, kind)
    assert found.facts == ({"epoch": content["epoch"]} if "epoch" in content else {})


@pytest.mark.parametrize(
    ("content", "method", "openai", "towers"),
    [
        ({"epoch": 4, "CLIP": RN50X4}, "clip4cir", True, RN50X4),
        (
            {"state_dict": {**prefixed("clip.", RN50X4), "tau": torch.ones(1)}},
            "spn4cir",
            True,
            RN50X4,
        ),
        ({"state_dict": prefixed("backbone.", VIT_L)}, "spn4cir", True, VIT_L),
        ({"state_dict": prefixed("module.clip.", VIT_L)}, "spn4cir", True, VIT_L),
        (VIT_L, "clip", None, VIT_L),
        ({**VIT_L, "input_resolution": torch.tensor(224)}, "clip", True, VIT_L),
        (
            {"epoch": 32, "name": "run", "state_dict": prefixed("module.", VIT_L)},
            "clip",
            None,
            VIT_L,
        ),
    ],
)
def test_towers_lose_their_prefixes(content, method, openai, towers):
    found = recognise(content, PATH)
    assert (found.method, found.openai, found.network) == (method, openai, None)
    assert found.towers is not None
    assert found.towers.keys() == towers.keys()


def test_pic2word_has_both():
    content = {
        "epoch": 30,
        "name": "run",
        "state_dict": prefixed("module.", VIT_L),
        "state_dict_img2text": prefixed("module.", empty(im2text(768, 512, 768))),
        "optimizer": {"state": {}, "param_groups": []},
    }
    found = recognise(content, PATH)
    assert (found.method, found.network_kind, found.openai) == ("pic2word", "im2text", True)
    assert found.towers is not None
    assert found.towers.keys() == VIT_L.keys()


@pytest.mark.parametrize(
    ("content", "method"),
    [
        ({"epoch": 1, "BLIP_Retrieval": {"visual_encoder.pos_embed": torch.ones(1)}}, "BLIP4CIR"),
        ({"state_dict": {"blip.visual_encoder.pos_embed": torch.ones(1)}}, "BLIP4CIR"),
        ({"epoch": 1, "Blip2QformerCirAlignPrompt": {}}, "SPRC"),
        ({"state_dict": {"blip_model.Qformer.bert.x": torch.ones(1)}}, "BLIP4CIR or SPRC"),
        (
            {"state_dict": {**prefixed("backbone.", VIT_L), "img_tokenlearn.w": torch.ones(1)}},
            "TG-CIR",
        ),
    ],
)
def test_other_models_than_clip_are_refused(content, method):
    with pytest.raises(InvalidInput) as caught:
        recognise(content, PATH)
    assert caught.value.sentence == (
        f"published.pt is of {method}, whose model is more than CLIP's two towers and cannot "
        "answer here: import a checkpoint of CLIP4Cir, SPN4CIR on CLIP, Pic2Word, LinCIR or SEARLE."
    )


def test_names_of_hugging_face_are_told():
    with pytest.raises(InvalidInput, match="have Hugging Face's names"):
        recognise({"vision_model.embeddings.class_embedding": torch.ones(1)}, PATH)


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, {"fc.weight": torch.ones(2), "a": 1}])
def test_what_is_of_no_kind_is_told_with_what_it_begins_with(content):
    with pytest.raises(InvalidInput) as caught:
        recognise(content, PATH)
    first = ", ".join(content) or "nothing"
    assert f"of no kind that is known (it begins with {first})" in caught.value.sentence


def test_several_models_at_once_are_not_guessed_between():
    with pytest.raises(InvalidInput, match="holds several models at once"):
        recognise({"CLIP": TINY_CLIP, "state_dict": TINY_CLIP}, PATH)
