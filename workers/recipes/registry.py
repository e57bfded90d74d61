"""All recipes by their names."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from backend.errors import InvalidInput
from workers.recipes import clip_finetune, combiner, lincir, pic2word, spn_bank
from workers.recipes.recipe import Recipe

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        module.RECIPE.name: module.RECIPE
        for module in (clip_finetune, combiner, spn_bank, pic2word, lincir)
    }
)


def recipe_named(name: str) -> Recipe:
    """The recipe of that name; InvalidInput lists those there are."""
    if name not in RECIPES:
        raise InvalidInput(f'There is no recipe "{name}": choose one of {", ".join(RECIPES)}.')
    return RECIPES[name]
