"""A text tower trained against a bank of all training pictures, on a small Wardrobe."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from backend.composition.artefact import (
    ComposedModel,
    ComposerCard,
    load_model,
    untrained_model,
)
from backend.composition.networks import Combiner
from backend.composition.trained import CombinerComposer
from backend.encoding.backbone import load_backbone
from backend.errors import InvalidInput
from workers.recipes import combiner, spn_bank
from workers.recipes.combiner import CombinerParameters
from workers.recipes.recipe import Training
from workers.recipes.spn_bank import SpnBankParameters, bank_objective
from workers.trainer.choosing import SELECTED
from workers.trainer.features import FeatureCache
from workers.trainer.triplet_data import training_triplets

SMALL = ["batch=10", "epochs=3", "lr=0.002"]
SMALL_PARAMETERS = SpnBankParameters.given(SMALL)


@pytest.fixture
def training(data, spec, tmp_path) -> Training:
    """Each with a backbone of its own, since its text tower is trained in place."""
    return Training(
        data=data,
        out=tmp_path / "run",
        parameters=SpnBankParameters.given(SMALL),
        parent=untrained_model(load_backbone(spec, device="cpu")),
        cache=FeatureCache(tmp_path / "features"),
    )


def test_the_defaults_are_the_published_values():
    found = SpnBankParameters.given([])
    assert (found.batch, found.epochs, found.lr, found.temperature) == (256, 3, 2e-5, 0.02)
    assert found.seed == 42


def test_only_the_text_side_changes(training, spec):
    before = load_backbone(spec, device="cpu")
    outcome = spn_bank.train(training)
    assert outcome.stopped == "done"
    lines = [json.loads(one) for one in (training.out / "curves.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    model = load_model(training.artefact, "cpu")
    assert model.backbone.fingerprint == before.fingerprint
    assert model.backbone.text_fingerprint != before.text_fingerprint
    assert model.card.data.counts["bank"] == 48


def test_from_a_sum_it_composes_by_the_sum_of_features(training):
    spn_bank.train(training)
    assert not (training.artefact / "composer.safetensors").exists()
    model = load_model(training.artefact, "cpu")
    assert model.card.composer.kind == "feature-sum"
    images = np.random.default_rng(0).standard_normal((2, model.backbone.dim)).astype(np.float32)
    texts = ["but red", "with dots"]
    summed = torch.from_numpy(images + model.backbone.encode_texts(texts))
    expected = functional.normalize(summed, dim=-1).numpy()
    np.testing.assert_allclose(model.query_vectors(images, texts), expected, atol=1e-5)


def test_the_loss_is_over_every_picture_of_the_bank(training):
    data = training_triplets(training.data)
    objective = bank_objective(
        training, SpnBankParameters.given([*SMALL, "protocol=published"]), data
    )
    features = objective.encode(objective.load(np.arange(4), 0))
    queries = features[0].detach().double().numpy()
    bank = objective.bank.double().numpy()
    logits = queries @ (bank / np.linalg.norm(bank, axis=1, keepdims=True)).T / 0.02
    each = [np.log(np.exp(row - row.max()).sum()) + row.max() - row[data.targets[n]]
            for n, row in enumerate(logits)]  # fmt: skip
    assert objective.loss(features).item() == pytest.approx(np.mean(each), rel=1e-4)


def test_pictures_of_the_gallery_can_be_negatives_too(training):
    data = training_triplets(training.data)
    few = replace(data, names=data.names[:6])  # as if the others were in no triplet
    sizes = [
        len(
            bank_objective(
                training, SpnBankParameters.given([*SMALL, f"negatives={which}"]), few
            ).bank
        )
        for which in ("triplets", "all")
    ]
    assert sizes == [6, 48]


def test_pictures_that_all_differ_are_all_negatives(training):
    objective = bank_objective(training, SMALL_PARAMETERS, training_triplets(training.data))
    assert objective.groups is None
    assert objective.facts()["masked"]


def test_the_same_picture_twice_is_no_negative():
    bank = np.random.default_rng(0).standard_normal((4, 3))
    twice = spn_bank._groups(bank[[0, 1, 2, 0]], torch.device("cpu"))
    assert twice is not None
    assert twice[0] == twice[3]
    assert len(twice.unique()) == 3


def test_a_combiner_is_trained_on_with_the_text_tower(training):
    first = replace(
        training,
        out=training.out.with_name("first"),
        parameters=CombinerParameters.given(["batch=20", "epochs=1", "projection=2", "hidden=2"]),
    )
    combiner.train(first)
    parent = load_model(first.artefact, "cpu")
    spn_bank.train(replace(training, parent=parent))
    before, after = (load_model(run.artefact, "cpu") for run in (first, training))
    weights = [dict(network_of(one).named_parameters()) for one in (before, after)]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_feature_sum_is_gone_on_from(training, spec):
    first = replace(training, out=training.out.with_name("first"))
    spn_bank.train(first)
    again = replace(training, parent=load_model(first.artefact, "cpu"))
    spn_bank.train(again)
    cards = [load_model(run.artefact, "cpu").card for run in (first, again)]
    assert {card.composer.kind for card in cards} == {"feature-sum"}
    figures = [card.metrics["choosing"][SELECTED] for card in cards]
    assert figures[0] <= figures[1]  # what it starts from may be kept


def network_of(model: ComposedModel) -> Combiner:
    assert isinstance(model.composer, CombinerComposer)
    return model.composer.network


def test_a_run_that_was_stopped_ends_as_one_that_was_not(training, spec):
    whole = replace(
        training,
        out=training.out.with_name("whole"),
        parent=untrained_model(load_backbone(spec, device="cpu")),
    )
    spn_bank.train(whole)
    steps = iter(range(100))
    assert (
        spn_bank.train(replace(training, cancelled=lambda: next(steps) >= 3)).stopped == "cancelled"
    )
    again = replace(training, parent=untrained_model(load_backbone(spec, device="cpu")))
    spn_bank.train(again)
    one, other = (load_model(run.artefact, "cpu").backbone for run in (whole, again))
    assert one.text_fingerprint == other.text_fingerprint


def test_what_reads_pictures_as_words_is_refused(training):
    card = training.parent.card.model_copy(
        update={"name": "word", "composer": ComposerCard(kind="phi", prompt="$")}
    )
    parent = ComposedModel(training.parent.backbone, training.parent.composer, card)
    with pytest.raises(InvalidInput, match="The model word is a phi: spn-bank goes on from a sum"):
        spn_bank.train(replace(training, parent=parent))
