"""Towers trained for the sum of their features, on a small Wardrobe, from pictures or captions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from backend.composition.artefact import load_model, untrained_model
from backend.encoding.backbone import load_backbone
from workers.datasets.wardrobe.dataset import write_dataset
from workers.recipes import clip_finetune
from workers.recipes.clip_finetune import ClipFinetuneParameters, finetune_objective
from workers.recipes.recipe import Training
from workers.trainer.features import FeatureCache
from workers.trainer.triplet_data import training_triplets

SMALL = ["batch=10", "epochs=1", "lr=0.0005"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("data") / "wardrobe"
    write_dataset(folder, 48, size=48)
    return folder


@pytest.fixture
def start(data, spec, tmp_path):
    """A run with a backbone of its own, since its towers are trained in place."""

    def training(*options: str, out: str = "run") -> Training:
        return Training(
            data=data,
            out=tmp_path / out,
            parameters=ClipFinetuneParameters.given([*SMALL, *options]),
            parent=untrained_model(load_backbone(spec, device="cpu")),
            cache=FeatureCache(tmp_path / "features"),
        )

    return training


def test_the_defaults_are_the_published_values():
    found = ClipFinetuneParameters.given([])
    assert (found.batch, found.epochs, found.lr, found.encoder) == (128, 100, 2e-6, "both")
    assert found.scale == 100.0


@pytest.mark.parametrize(
    ("encoder", "image", "text"),
    [("both", True, True), ("text", False, True), ("image", True, False)],
)
def test_the_towers_that_are_named_change(start, spec, encoder, image, text):
    before = load_backbone(spec, device="cpu")
    training = start(f"encoder={encoder}")
    outcome = clip_finetune.train(training)
    assert outcome.stopped == "done"
    assert outcome.figures["R@50"] > 0
    after = load_model(training.artefact, "cpu").backbone
    assert (after.fingerprint != before.fingerprint) is image
    assert (after.text_fingerprint != before.text_fingerprint) is text


def test_the_loss_is_of_the_sum_of_features_one_direction_only(start):
    training = start("protocol=published")
    data = training_triplets(training.data)
    objective = finetune_objective(training, training.parameters, data)
    backbone = training.parent.backbone
    rows = np.arange(5)
    loss = objective.loss(objective.encode(objective.load(rows, 0))).item()
    pictures = {name: data.images[name] for name in data.names}
    features = training.cache.image_features(backbone, pictures)
    images = torch.from_numpy(features.take(features.rows_of(data.names))).double()
    texts = backbone.encode_texts([data.texts[row] for row in data.told(rows, 0, 0)])
    queries = images[data.references[rows]] + torch.from_numpy(texts).double()
    scores = (
        100 * functional.normalize(queries) @ functional.normalize(images[data.targets[rows]]).T
    )
    assert loss == pytest.approx(functional.cross_entropy(scores, torch.arange(5)).item(), rel=1e-3)


def test_a_batch_in_chunks_has_the_loss_of_the_whole(start):
    """That its gradients are the same too is tested where chunks are made (gradient_cache)."""
    losses = []
    for training in (start(out="whole"), start("chunk=3", out="cut")):
        clip_finetune.train(training)
        lines = (training.out / "curves.jsonl").read_text().splitlines()
        losses.append([json.loads(line)["loss"] for line in lines if "loss" in line])
    assert losses[1][0] == pytest.approx(losses[0][0], rel=1e-5)
    assert losses[1] == pytest.approx(losses[0], rel=1e-2)


def test_what_was_trained_composes_by_the_sum_and_can_be_trained_on(start):
    training = start("encoder=text")
    clip_finetune.train(training)
    assert not (training.artefact / "composer.safetensors").exists()
    model = load_model(training.artefact, "cpu")
    assert model.card.composer.kind == "feature-sum"
    images = np.random.default_rng(0).standard_normal((2, model.backbone.dim)).astype(np.float32)
    summed = torch.from_numpy(images + model.backbone.encode_texts(["but red", "longer"]))
    expected = functional.normalize(summed, dim=-1).numpy()
    np.testing.assert_allclose(
        model.query_vectors(images, ["but red", "longer"]), expected, atol=1e-5
    )
    further = replace(start("encoder=image", out="further"), parent=model)
    clip_finetune.train(further)
    assert (
        load_model(further.artefact, "cpu").backbone.text_fingerprint
        == model.backbone.text_fingerprint
    )
