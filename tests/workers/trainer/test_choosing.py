"""What weights are chosen by: each method's own figures of a dataset's validation split."""

from __future__ import annotations

from statistics import fmean

import pytest

from backend.composition.artefact import untrained_model
from tests.backend.search.shop import load_tiny_backbone, write_tiny_backbone
from tests.workers.trainer import benchmark_data
from workers.datasets.opening import open_dataset
from workers.recipes import inversion, spn_bank
from workers.trainer.choosing import CIRR, SELECTED, choosing_figures
from workers.trainer.features import FeatureCache


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    tiny = write_tiny_backbone(tmp_path_factory.mktemp("choosing") / "tiny")
    return untrained_model(load_tiny_backbone(tiny))


@pytest.mark.parametrize(
    "chosen",
    [CIRR, ("R@5", "Rs@1"), ("R@1",)],
    ids=["clip4cir", "spn4cir", "lincir"],
)
def test_cirr_is_chosen_by_what_the_method_goes_by(model, tmp_path, chosen):
    dataset = open_dataset(benchmark_data.cirr(tmp_path / "cirr"))
    cache = FeatureCache(tmp_path / "features")
    measure = choosing_figures(dataset, model, cache, frozen_text=True, cirr=chosen)
    assert measure is not None
    found = measure(model)
    assert found[SELECTED] == pytest.approx(fmean(found[name] for name in chosen))


def test_each_recipe_names_its_own():
    assert spn_bank.CHOSEN_BY == ("R@5", "Rs@1")
    assert inversion.CHOSEN_BY == {"phi": ("R@1",), "im2text": CIRR}


@pytest.mark.parametrize("make", [benchmark_data.fashioniq, benchmark_data.catalogue])
def test_others_are_chosen_by_two_recalls(model, tmp_path, make):
    dataset = open_dataset(make(tmp_path / "data"))
    measure = choosing_figures(dataset, model, FeatureCache(tmp_path / "f"), frozen_text=True)
    assert measure is not None
    found = measure(model)
    parts = ("R@10", "R@50") if dataset.kind.name == "fashioniq" else ("R@1", "R@10")
    assert found[SELECTED] == pytest.approx(fmean(found[name] for name in parts))
