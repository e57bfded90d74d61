"""Options of a recipe: published defaults, presets, and a sentence for what does not fit."""

from __future__ import annotations

import pytest

from backend.errors import InvalidInput
from workers.recipes.combiner import CombinerParameters
from workers.recipes.registry import RECIPES, recipe_named


def test_the_defaults_are_the_published_values():
    found = CombinerParameters.given([])
    assert (found.batch, found.epochs, found.lr) == (4096, 300, 2e-5)
    assert (found.projection, found.hidden, found.dropout, found.scale) == (4, 8, 0.5, 100.0)


def test_what_is_set_goes_before_the_preset():
    found = CombinerParameters.given(["lr=0.01", "patience=none"], "small-data")
    assert (found.lr, found.patience, found.batch) == (0.01, None, 512)


@pytest.mark.parametrize(
    ("given", "preset", "told"),
    [
        (["lr"], None, '"lr" sets nothing: write an option as name=value.'),
        (["speed=3"], None, "There is no option speed: choose of batch, epochs, lr"),
        (["batch=many"], None, "The option batch is refused: input should be a valid integer"),
        (["dropout=1"], None, "The option dropout is refused: input should be less than 1"),
        ([], "huge", 'There is no preset "huge": choose one of small-data, few-triplets.'),
    ],
)
def test_what_does_not_fit_is_told(given, preset, told):
    with pytest.raises(InvalidInput) as caught:
        CombinerParameters.given(given, preset)
    assert told in caught.value.sentence


def test_an_unknown_recipe_lists_those_there_are():
    with pytest.raises(InvalidInput, match=r'There is no recipe "blip": choose one of .*combiner'):
        recipe_named("blip")


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_recipe_has_a_form(recipe):
    schema = recipe.parameters.model_json_schema()
    assert {"batch", "lr", "seed"} <= schema["properties"].keys()
    for preset in recipe.parameters.presets:
        recipe.parameters.given([], preset)
