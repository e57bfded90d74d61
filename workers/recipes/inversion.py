"""What the two textual inversions share: a network that makes a word of a picture, the sentence
that it is read in, and the triplets that both are chosen by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from backend.composition.artefact import (
    ComposedModel,
    ComposerCard,
    DataCard,
    write_artefact,
)
from backend.composition.networks import Im2Text, Phi
from backend.composition.trained import InversionComposer
from backend.encoding.prompts import Prompt
from backend.errors import InvalidInput
from workers.datasets.opening import Dataset, open_dataset
from workers.recipes.recipe import Parameters, Trained, Training, card_of
from workers.trainer.choosing import CIRR, SELECTED, choosing_figures
from workers.trainer.objective import Outcome
from workers.trainer.prompting import AUTO, best_prompt, checked_prompt
from workers.trainer.trained_towers import towers_of
from workers.trainer.triplet_data import choosing_splits

InversionKind = Literal["phi", "im2text"]
CHOSEN_BY: Mapping[InversionKind, tuple[str, ...]] = {"phi": ("R@1",), "im2text": CIRR}
"""Figures of CIRR that choose weights: the published code of Gu et al. 2024 goes by R@1, that of
Saito et al. 2023 by none."""
Measure = Callable[[ComposedModel], Mapping[str, float]]


class InversionParameters(Parameters):
    """Options of both. The prompt of a class's default is the published one."""

    prompt: str = Field(
        "a photo of $ that {}",
        description="Sentence that pictures are read in, or auto: the best on validation triplets.",
    )
    choose: Path | None = Field(
        None,
        exclude=True,  # a place, and no property of the model
        description="Dataset whose validation triplets choose weights and prompt; else the data's.",
    )
    half: bool = Field(False, description="Write the weights as 16-bit numbers.")


@dataclass(frozen=True)
class Inversion:
    """The network in training as a model that answers.

    measure: figures on the choosing set, None where there is none.
    """

    kind: InversionKind
    network: Phi | Im2Text
    training: Training
    parameters: InversionParameters
    published: str
    measure: Measure | None

    @property
    def prompt(self) -> Prompt:
        """What it is read in while it trains: where the prompt is chosen last, the published."""
        template = self.parameters.prompt
        return Prompt.parse(self.published if template == AUTO else template)

    @property
    def select(self) -> str | None:
        """The figure that chooses the weights."""
        return SELECTED if self.measure else None

    def evaluate(self) -> Callable[[], Mapping[str, float]] | None:
        """As `fit` takes it."""
        measure = self.measure
        return None if measure is None else lambda: measure(self.answering(self.prompt))

    def answering(self, prompt: Prompt) -> ComposedModel:
        """The weights as they are, read in a sentence."""
        return _answering(self.training.parent, self.kind, self.network, prompt)

    def finish(self, data: DataCard, outcome: Outcome, note: str) -> None:
        """Choose the prompt, if that is asked for, and write the artefact."""
        figures, template, tried = dict(outcome.figures), self.prompt.template, {}
        if self.parameters.prompt == AUTO and self.measure is not None:
            choice = best_prompt(self.answering, self.measure, SELECTED)
            template, figures = choice.template, dict(choice.figures[choice.template])
            tried = {text: found[SELECTED] for text, found in choice.figures.items()}
        metrics: dict[str, Any] = {
            "choosing": figures,
            "seconds": round(outcome.seconds, 1),
            "best_step": outcome.best_step,
            **({"prompts": tried} if tried else {}),
        }
        trained = Trained(ComposerCard(kind=self.kind, prompt=template), data, metrics, note)
        recipe = "lincir" if self.kind == "phi" else "pic2word"
        card = card_of(self.training, recipe, self.training.parent, trained)
        state = self.network.state_dict()
        weights = {name: t.half() if self.parameters.half else t for name, t in state.items()}
        towers = towers_of(self.training.parent)
        write_artefact(self.training.artefact, card, weights, towers)


def inversion(
    kind: InversionKind, network: Phi | Im2Text, training: Training, parameters: InversionParameters
) -> Inversion:
    """The network with its choosing set, where data or options name one.

    Raises InvalidInput for a prompt that is none, and a choosing set without validation triplets.
    """
    published = str(type(parameters).model_fields["prompt"].default)
    dataset = choosing_set(training.data, parameters.choose)
    checked_prompt(parameters.prompt, dataset is not None)
    first = Prompt.parse(published if parameters.prompt == AUTO else parameters.prompt)
    measure = None
    if dataset is not None:
        model = _answering(training.parent, kind, network, first)
        measure = choosing_figures(
            dataset, model, training.cache, frozen_text=True, cirr=CHOSEN_BY[kind],
            progress=training.said,
        )  # fmt: skip
    training.tell_without_choice(measure is not None)
    return Inversion(kind, network, training, parameters, published, measure)


def choosing_set(data: Path, choose: Path | None) -> Dataset | None:
    """The dataset whose validation triplets choose: the one named, else the data's own, if any.

    Raises InvalidInput where the one named has none.
    """
    if choose is None:
        try:
            dataset = open_dataset(data)
        except InvalidInput:
            return None
        return dataset if choosing_splits(dataset) else None
    dataset = open_dataset(choose)
    if not choosing_splits(dataset):
        raise InvalidInput(
            f"{choose} is {dataset.kind.label} and has no validation triplets to choose by: give a "
            "folder of FashionIQ, CIRR or Wardrobe with its validation captions, or an exported "
            "catalogue with triplets between products of the split val."
        )
    return dataset


def _answering(
    parent: ComposedModel, kind: InversionKind, network: Phi | Im2Text, prompt: Prompt
) -> ComposedModel:
    composer = InversionComposer(network.eval(), prompt, parent.backbone.encode_prompts)
    told = ComposerCard(kind=kind, prompt=prompt.template)
    return ComposedModel(
        parent.backbone, composer, parent.card.model_copy(update={"composer": told})
    )
