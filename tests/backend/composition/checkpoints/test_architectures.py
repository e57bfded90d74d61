"""Names and shapes of published models, without their memory, to open_clip's architectures."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest

from backend.composition.checkpoints.architectures import (
    architecture_of,
    fit_of,
    refuse_clashes,
    shapes_of,
    skeleton,
)
from backend.errors import InvalidInput
from tests.backend.composition.checkpoints.layouts import OPENAI, TINY, openai_clip

PATH = Path("published.pt")


@pytest.mark.parametrize("name", OPENAI)
def test_openais_nine_models_are_found_by_their_shapes(name):
    fit = architecture_of(openai_clip(OPENAI[name]), openai=True, path=PATH)
    assert fit.name == f"{name}-quickgelu"
    assert fit.distance == 0
    assert open_clip.get_model_config(fit.name) == {**OPENAI[name].config, "quick_gelu": True}


@pytest.mark.parametrize(
    "name", ["ViT-H-14-quickgelu", "ViT-B-16-SigLIP-256", "coca_ViT-B-32", "ViT-B-32-256"]
)
def test_models_of_open_clip_are_found_by_theirs(name):
    shapes = shapes_of(skeleton(name).state_dict())
    assert architecture_of(shapes, openai="quickgelu" in name or None, path=PATH).name == name


def test_what_shapes_do_not_tell_apart_is_asked():
    with pytest.raises(InvalidInput) as caught:
        architecture_of(openai_clip(TINY), openai=None, path=PATH)
    assert caught.value.sentence == (
        "The weights in published.pt fit Tiny-ViT and Tiny-ViT-quickgelu, which differ in what no "
        "shape shows: say which with --backbone (models of OpenAI are those that end in "
        "-quickgelu)."
    )


def test_a_few_tensors_too_few_or_too_many_do_not_hide_the_architecture():
    shapes = {**openai_clip(TINY), "extra": (3,)}
    del shapes["ln_final.bias"], shapes["visual.proj"]
    fit = architecture_of(shapes, openai=True, path=PATH)
    assert fit.name == "Tiny-ViT-quickgelu"
    assert (fit.missing, fit.unexpected) == (("visual.proj", "ln_final.bias"), ("extra",))


def test_counters_of_batch_norm_may_be_missing():
    shapes = openai_clip(OPENAI["RN50x4"])
    without = {name: s for name, s in shapes.items() if "num_batches_tracked" not in name}
    assert len(without) < len(shapes)
    assert fit_of(without, "RN50x4-quickgelu").distance == 0


def test_weights_of_no_architecture_are_told():
    shapes = {**openai_clip(TINY), "token_embedding.weight": (100, 64)}
    with pytest.raises(InvalidInput, match="are of no architecture of open_clip: if they"):
        architecture_of(shapes, openai=True, path=PATH)


def test_sizes_that_differ_are_named():
    with pytest.raises(InvalidInput) as caught:
        refuse_clashes(fit_of(openai_clip(OPENAI["ViT-B-16"]), "ViT-B-32-quickgelu"), PATH)
    assert caught.value.sentence == (
        "The weights in published.pt are of another architecture than ViT-B-32-quickgelu "
        "(visual.positional_embedding is (197, 768) instead of (50, 768), visual.conv1.weight is "
        "(768, 3, 16, 16) instead of (768, 3, 32, 32)): leave out --backbone to have it found."
    )


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ViT-B-33", "There is no architecture 'ViT-B-33' in open_clip: check its spelling."),
        ("roberta-ViT-B-32", "is a Hugging Face model, whose weights are not converted"),
    ],
)
def test_architectures_that_cannot_be_made_are_told(name, sentence):
    with pytest.raises(InvalidInput) as caught:
        fit_of(openai_clip(TINY), name)
    assert sentence in caught.value.sentence
