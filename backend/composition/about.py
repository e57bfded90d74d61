"""What people read of a composer, known from its card alone: no weights have to be loaded."""

from __future__ import annotations

from typing import NamedTuple

from backend.composition.card import INVERSIONS, ModelCard
from backend.composition.composer import COMPOSERS, Composer, FeatureSum

_METHODS = {"lincir": "LinCIR", "pic2word": "Pic2Word", "searle": "SEARLE"}


class About(NamedTuple):
    """`name` is for programs; `label` and `description`, one plain sentence, are for people."""

    name: str
    label: str
    description: str


COMBINED = About(
    "combiner",
    "Learned combination",
    "A small network that learned from examples how words change a picture.",
)
INVERTED = About(
    "inversion",
    "Picture as a word",
    "Makes a new word of the picture and reads it in one sentence with yours.",
)


def about_composer(composer: Composer) -> About:
    """What is told of a composer."""
    return About(composer.name, composer.label, composer.description)


def about_card(card: ModelCard) -> About:
    """What is told of an artefact's composer; one that needs no training keeps its own name."""
    kind = card.composer.kind
    if kind in INVERSIONS:
        method = _METHODS.get(card.recipe, card.name)
        return INVERTED._replace(name=card.name, label=f"{INVERTED.label} ({method})")
    if kind == "combiner":
        return COMBINED._replace(name=card.name)
    if kind == "feature-sum":
        return about_composer(FeatureSum(card.name))
    return about_composer(COMPOSERS[kind])
