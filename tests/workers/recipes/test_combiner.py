"""A Combiner trained whole on a small Wardrobe, with a tiny backbone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from backend.composition.artefact import ComposedModel, load_model, untrained_model
from backend.encoding.backbone import load_backbone
from backend.errors import InvalidInput
from workers.recipes import clip_finetune, combiner
from workers.recipes.clip_finetune import ClipFinetuneParameters
from workers.recipes.combiner import CombinerParameters, combiner_objective
from workers.recipes.recipe import Training
from workers.trainer.features import FeatureCache
from workers.trainer.triplet_data import training_triplets

SMALL = ["batch=20", "epochs=6", "lr=0.003", "projection=2", "hidden=2", "dropout=0.2", "scale=20"]


@pytest.fixture(scope="module")
def parent(spec) -> ComposedModel:
    return untrained_model(load_backbone(spec, device="cpu"))


@pytest.fixture
def training(data, parent, tmp_path_factory, tmp_path) -> Training:
    return Training(
        data=data,
        out=tmp_path / "run",
        parameters=CombinerParameters.given(SMALL),
        parent=parent,
        cache=FeatureCache(tmp_path_factory.getbasetemp() / "features"),
    )


def losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "curves.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def test_it_learns_and_leaves_a_model_that_composes(training, parent):
    outcome = combiner.train(training)
    assert outcome.stopped == "done"
    assert {"R@1", "R@10", "selected"} <= outcome.figures.keys()
    told = losses(training.out)
    assert np.mean(told[-3:]) < np.mean(told[:3])
    model = load_model(training.artefact, backbone=parent.backbone)
    assert model.card.recipe == "combiner"
    assert model.card.parameters["batch"] == 20
    assert model.card.data.counts["triplets"] == 40  # eight training families, five variants each
    assert model.card.metrics["choosing"] == dict(outcome.figures)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((3, parent.backbone.dim)).astype(np.float32)
    composed = model.query_vectors(images, ["but red", "longer", "with dots"])
    weights = load_file(training.artefact / "composer.safetensors")
    expected = by_hand(
        weights, images, parent.backbone.encode_texts(["but red", "longer", "with dots"])
    )
    np.testing.assert_allclose(composed, expected, atol=1e-5)


def by_hand(weights, images, texts):
    """A.1 of the paper's network without dropout, in float64."""
    w = {name: tensor.double() for name, tensor in weights.items()}
    i, t = (torch.from_numpy(part).double() for part in (images, texts))

    def layer(name, x):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    both = torch.cat(
        [layer("text_projection_layer", t).relu(), layer("image_projection_layer", i).relu()], 1
    )
    mixed = layer("output_layer", layer("combiner_layer", both).relu())
    gate = layer("dynamic_scalar.3", layer("dynamic_scalar.0", both).relu()).sigmoid()
    return functional.normalize(mixed + gate * t + (1 - gate) * i, dim=-1).numpy()


def test_a_run_that_was_stopped_ends_as_one_that_was_not(training, tmp_path):
    whole = replace(training, out=tmp_path / "whole")
    combiner.train(whole)
    steps = iter(range(100))
    stopped = combiner.train(replace(training, cancelled=lambda: next(steps) >= 5))
    assert stopped.stopped == "cancelled"
    assert not training.artefact.exists()
    combiner.train(training)
    one, other = (load_file(run.artefact / "composer.safetensors") for run in (whole, training))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_on_trained_towers_it_keeps_them(training, parent, tmp_path):
    own = load_backbone(parent.backbone.spec, device="cpu")  # it is trained in place
    options = ["encoder=text", "epochs=1", "batch=20", "lr=0.001"]
    first = replace(
        training,
        out=tmp_path / "towers",
        parameters=ClipFinetuneParameters.given(options),
        parent=untrained_model(own),
    )
    clip_finetune.train(first)
    trained = load_model(first.artefact, "cpu")
    combiner.train(replace(training, parent=trained))
    loaded = load_model(training.artefact, "cpu").backbone
    assert loaded.fingerprint == parent.backbone.fingerprint
    assert loaded.text_fingerprint == trained.backbone.text_fingerprint
    assert loaded.text_fingerprint != parent.backbone.text_fingerprint


def test_triplets_with_one_target_are_no_negatives_unless_published(training):
    data = training_triplets(training.data)
    data.targets[:] = 0  # all of them
    kept, published = (
        combiner_objective(
            training, CombinerParameters.given([*SMALL, f"protocol={protocol}"]), data
        )
        for protocol in ("default", "published")
    )
    features = kept.encode(kept.load(np.arange(8), 0))
    assert kept.loss(features).item() == pytest.approx(0)
    assert published.loss(features).item() == pytest.approx(np.log(8), rel=1e-4)


def test_a_batch_larger_than_the_data_is_told(training):
    parameters = CombinerParameters.given([*SMALL, "batch=4096"])
    with pytest.raises(
        InvalidInput, match="A batch of 4,096 is larger than the data, which holds 40"
    ):
        combiner.train(replace(training, parameters=parameters))


def test_another_run_in_the_folder_is_told(training):
    combiner.train(training)
    other = CombinerParameters.given([*SMALL, "lr=0.1"])
    with pytest.raises(InvalidInput, match="lr"):
        combiner.train(replace(training, parameters=other))


def test_it_can_begin_as_the_sum_of_both_features_and_learns_from_there(training, parent):
    """With few triplets: chosen among what it is at any step, its beginning included."""
    options = CombinerParameters.given([*SMALL, "begin=sum"])
    asked = replace(training, parameters=options)
    network = combiner_objective(
        asked, options, training_triplets(training.data, [])
    ).network.eval()
    rng = np.random.default_rng(0)
    images, texts = (
        torch.from_numpy(rng.standard_normal((5, parent.backbone.dim)).astype(np.float32))
        for _ in range(2)
    )
    with torch.inference_mode():
        expected = functional.normalize(images + texts, dim=-1)
        torch.testing.assert_close(network(images, texts), expected)
    combiner.train(asked)
    assert np.mean(losses(asked.out)[-3:]) < np.mean(losses(asked.out)[:3])


def test_a_beginning_that_no_step_makes_better_is_kept(training):
    options = CombinerParameters.given([*SMALL, "begin=sum", "lr=1e-12"])
    outcome = combiner.train(replace(training, parameters=options))
    assert outcome.best_step == 0
