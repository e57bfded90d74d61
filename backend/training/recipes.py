"""The recipes as the backend knows them: it does not import the workers, `backend.app` hands them
over (DESIGN, The house). The API process has them in both profiles, since it runs the same package,
and it has torch loaded for queries anyway; they are imported when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from backend.errors import InvalidInput
from backend.training.schemas import RecipeOut, Takes


@dataclass(frozen=True)
class OfferedRecipe:
    """A training method. schema: of its options. check: the options with some set, over those of a
    preset, as JSON; raises InvalidInput for what does not fit."""

    name: str
    about: str
    data: str
    takes: Takes
    schema: Mapping[str, Any]
    presets: Mapping[str, Mapping[str, Any]]
    check: Callable[[Mapping[str, Any], str | None], dict[str, Any]]

    @property
    def out(self) -> RecipeOut:
        """As the API tells it."""
        return RecipeOut(
            name=self.name,
            about=self.about,
            data=self.data,
            takes=self.takes,
            parameters=dict(self.schema),
            presets={name: dict(values) for name, values in self.presets.items()},
        )


Recipes = Callable[[], Mapping[str, OfferedRecipe]]


def chosen_recipe(recipes: Mapping[str, OfferedRecipe], name: str) -> OfferedRecipe:
    """The recipe of that name; InvalidInput lists those there are."""
    if name not in recipes:
        raise InvalidInput(f'There is no recipe "{name}": choose one of {", ".join(recipes)}.')
    return recipes[name]
