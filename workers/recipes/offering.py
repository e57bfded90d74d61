"""The recipes in the form in which the backend offers them to people. Light to import."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from backend.errors import InvalidInput
from backend.training.recipes import OfferedRecipe

if TYPE_CHECKING:
    from workers.recipes.recipe import Parameters, Recipe


@cache
def offered_recipes() -> Mapping[str, OfferedRecipe]:
    """Every recipe by its name; torch is imported at the first call."""
    from workers.recipes.registry import RECIPES

    return {name: _offered(recipe) for name, recipe in RECIPES.items()}


def _offered(recipe: Recipe) -> OfferedRecipe:
    schema = recipe.parameters.model_json_schema()
    for name in _of_this_machine(recipe.parameters):
        schema["properties"].pop(name, None)
    return OfferedRecipe(
        name=recipe.name,
        about=recipe.about,
        data=recipe.data,
        takes=recipe.takes,
        schema=schema,
        presets=recipe.parameters.presets,
        check=partial(_checked, recipe.parameters),
    )


def _checked(
    parameters: type[Parameters], values: Mapping[str, Any], preset: str | None
) -> dict[str, Any]:
    for name in _of_this_machine(parameters):
        if name in values:
            raise InvalidInput(
                f"The option {name} names a place on the machine that trains: it can be given to "
                "`akin train` only."
            )
    return parameters.chosen(values, preset).model_dump(mode="json")


def _of_this_machine(parameters: type[Parameters]) -> list[str]:
    return [name for name, field in parameters.model_fields.items() if field.exclude]
