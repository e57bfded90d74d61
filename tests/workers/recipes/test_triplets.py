"""What the recipes that train on triplets share: a run beside the model that it starts from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.composition.artefact import load_model, untrained_model
from backend.encoding.backbone import BackboneSpec, load_backbone
from tests.backend.search.shop import write_tiny_backbone
from workers.datasets.wardrobe.dataset import write_dataset
from workers.recipes import combiner
from workers.recipes.combiner import CombinerParameters
from workers.recipes.recipe import Training
from workers.recipes.triplets import start_figures, told_beside
from workers.trainer.choosing import SELECTED
from workers.trainer.features import FeatureCache
from workers.trainer.objective import Outcome
from workers.trainer.triplet_data import training_triplets


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def training(tmp_path, told) -> Training:
    write_dataset(tmp_path / "wardrobe", 72, size=48)
    tiny = BackboneSpec(f"local-dir:{write_tiny_backbone(tmp_path / 'tiny')}")
    small = ["batch=20", "epochs=1", "projection=2", "hidden=2"]
    return Training(
        data=tmp_path / "wardrobe",
        out=tmp_path / "run",
        parameters=CombinerParameters.given(small),
        parent=untrained_model(load_backbone(tiny, device="cpu")),
        cache=FeatureCache(tmp_path / "features"),
        remark=told.append,
    )


def ended(**figures: float) -> Outcome:
    return Outcome("done", steps=4, seconds=1.0, best_step=4, figures=figures)


def test_a_model_that_ends_below_its_start_says_so(training, told):
    start = {SELECTED: 64.0, "R@1": 60.0}
    assert told_beside(start, ended(selected=60.0), training) == {"start": start}
    assert told == [
        "The model that it starts from answers the validation triplets better (64.0, and this one "
        "60.0): keep that one, or train with a lower learning rate, fewer epochs or more data."
    ]


@pytest.mark.parametrize("after", [64.0, 65.0])
def test_one_that_does_not_says_nothing(training, told, after):
    assert told_beside({SELECTED: 64.0}, ended(selected=after), training) == {
        "start": {SELECTED: 64.0}
    }
    assert told == []


def test_without_validation_triplets_there_is_nothing_to_compare(training, told):
    assert told_beside(None, ended(), training) == {}
    assert told_beside({SELECTED: 64.0}, ended(), training) == {}
    assert told == []


def test_the_start_is_measured_by_its_own_composer_and_stands_on_the_card(training):
    combiner.train(training)
    start = load_model(training.artefact, "cpu").card.metrics["start"]
    again = replace(training, out=training.out.with_name("again"))
    combiner.train(again)
    assert load_model(again.artefact, "cpu").card.metrics["start"] == start
    assert start.keys() >= {SELECTED, "R@1", "R@10"}


def test_the_start_is_measured_once_a_run(training):
    """Each segment of a run asks for it; another run, of other data or options, measures anew."""
    data, measured = training_triplets(training.data), []

    def measure(model):
        measured.append(model)
        return {SELECTED: 64.0}

    assert start_figures(training, None, data) is None
    for _ in range(2):
        assert start_figures(training, measure, data) == {SELECTED: 64.0}
    assert measured == [training.parent]
    others = CombinerParameters.given(["batch=10"])
    start_figures(replace(training, parameters=others), measure, data)
    assert len(measured) == 2
