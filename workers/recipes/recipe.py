"""What a recipe is, what it is given, and what it leaves behind.

A recipe is a name, the typed options of a training method with the published values as defaults,
and a function that trains. `akin train` and jobs know nothing more of a method than this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backend import clock
from backend.composition.artefact import (
    BackboneCard,
    ComposedModel,
    ComposerCard,
    DataCard,
    ModelCard,
)
from backend.errors import InvalidInput
from workers.trainer.choosing import SELECTED
from workers.trainer.distributed import ALONE, Team
from workers.trainer.features import FeatureCache
from workers.trainer.fitting import fit
from workers.trainer.objective import Figures, Line, Objective, Outcome
from workers.trainer.options import FitOptions
from workers.trainer.precision import PrecisionKind

MODEL = "model"
"""The artefact's folder inside that of a run."""

FREE = {"epochs", "steps", "chunk", "loaders", "half"}
"""Options that make no other run of it: how long is the trainer's to compare (`FitOptions`)."""
LARGEST_SEED = 2**63 - 1  # torch takes no larger one

Takes = Literal["triplets", "images", "titles"]
Said = Callable[[str, int, int], None]
"""Told what is being prepared, how much of it, and of how much."""


class Parameters(BaseModel):
    """The options that every recipe has; a subclass gives the published values.

    A form can be made of the JSON schema. `given` never takes an option for another: unknown names
    are refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    batch: int = Field(ge=1, description="Examples in a batch, over all processes.")
    epochs: int = Field(ge=1, description="How often all examples are seen.")
    lr: float = Field(gt=0, description="Learning rate.")
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: int = Field(0, ge=0, description="Steps in which the learning rate rises.")
    precision: PrecisionKind = "auto"
    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    evaluate_every: int = Field(1, ge=1, description="Epochs between two looks at the figures.")
    patience: int | None = Field(
        None, ge=1, description="Looks without a better figure; then stop."
    )
    protocol: Literal["default", "published"] = Field(
        "default", description="published repeats the oddities of the published code."
    )

    @classmethod
    def given(cls, values: Sequence[str], preset: str | None = None) -> Self:
        """The options with some set: `name=value` each, over those of a preset.

        Raises InvalidInput for a preset that is not there, a text that sets nothing, an unknown
        name or a value that does not fit; the sentence lists what there is.
        """
        chosen: dict[str, Any] = {}
        for text in values:
            name, found, value = text.partition("=")
            if not found:
                raise InvalidInput(f'"{text}" sets nothing: write an option as name=value.')
            chosen[name.strip()] = None if value.strip() == "none" else value.strip()
        return cls.chosen(chosen, preset)

    @classmethod
    def chosen(cls, values: Mapping[str, Any], preset: str | None = None) -> Self:
        """The options with these values over those of a preset.

        Raises InvalidInput as `given` does.
        """
        try:
            return cls.model_validate({**cls._preset(preset), **values})
        except ValidationError as error:
            raise InvalidInput(cls._refusal(error)) from error

    @classmethod
    def _preset(cls, name: str | None) -> Mapping[str, Any]:
        if name is None:
            return {}
        if name not in cls.presets:
            there = ", ".join(cls.presets) or "this recipe has none"
            raise InvalidInput(f'There is no preset "{name}": choose one of {there}.')
        return cls.presets[name]

    @classmethod
    def _refusal(cls, error: ValidationError) -> str:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "the options"
        if first["type"] == "extra_forbidden":
            return f"There is no option {name}: choose of {', '.join(cls.model_fields)}."
        return f"The option {name} is refused: {first['msg'][0].lower()}{first['msg'][1:]}."

    def fit_options(self, **others: Any) -> FitOptions:
        """As the trainer takes them, with what a recipe adds."""
        own = {
            name: getattr(self, name)
            for name in (
                "batch", "epochs", "lr", "schedule", "warmup", "precision", "seed",
                "evaluate_every", "patience",
            )
        }  # fmt: skip
        if others.get("select") is None:
            own["patience"] = None  # there is nothing to get better
        return FitOptions(**(own | others))


@dataclass(frozen=True)
class Training:
    """A run of a recipe: on what, from which model, into which folder, and who is told.

    parent: the model whose towers are trained or used. said: what is prepared, before steps.
    remark: what is left out, in sentences.
    """

    data: Path
    out: Path
    parameters: Parameters
    parent: ComposedModel
    cache: FeatureCache
    team: Team = ALONE
    cancelled: Callable[[], bool] = lambda: False
    report: Callable[[Line], None] = lambda line: None
    said: Said = lambda what, done, total: None
    remark: Callable[[str], None] = lambda sentence: None
    segment_seconds: float | None = None
    name: str | None = None

    def tell(self, remarks: Iterable[str]) -> None:
        """Remarks what is left out, once however many processes train."""
        if self.team.leads:
            for sentence in remarks:
                self.remark(sentence)

    def tell_without_choice(self, chooses: bool) -> None:
        """Remarks that nothing can stop the run early, where that is asked for."""
        if not chooses and self.parameters.patience is not None:
            self.tell(["There are no validation triplets to stop early by: it trains to its end."])

    @property
    def facts(self) -> dict[str, Any]:
        """What the run is of, besides its data: towers and options. A checkpoint of others is none
        of it."""
        card = self.parent.card
        return {
            "backbone": [card.fingerprint, card.text_fingerprint],
            **self.parameters.model_dump(mode="json", exclude=FREE),
        }

    @property
    def artefact(self) -> Path:
        """Where the finished model goes."""
        return self.out / MODEL


@dataclass(frozen=True)
class Recipe:
    """A training method. about: one plain sentence; data: what it trains on, in words; takes: the
    part of a catalogue that it trains on."""

    name: str
    about: str
    data: str
    takes: Takes
    parameters: type[Parameters]
    train: Callable[[Training], Outcome]


@dataclass(frozen=True)
class Trained:
    """What a recipe knows of the model that it made, beside its weights."""

    composer: ComposerCard
    data: DataCard
    metrics: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


def fitted(
    training: Training,
    objective: Objective[Any],
    measure: Callable[[], Figures] | None,
    **options: Any,
) -> Outcome:
    """Run `fit` for a recipe: its weights are chosen by `measure` where there is one.

    options: what the recipe adds to its parameters' own. Raises what `fit` raises.
    """
    training.tell_without_choice(measure is not None)
    return fit(
        objective,
        training.parameters.fit_options(
            select=SELECTED if measure else None,
            segment_seconds=training.segment_seconds,
            **options,
        ),
        training.out,
        evaluate=measure,
        cancelled=training.cancelled,
        report=training.report,
        team=training.team,
    )


def card_of(training: Training, recipe: str, model: ComposedModel, trained: Trained) -> ModelCard:
    """The card of a finished model. model: with the towers that it answers with."""
    backbone = model.backbone
    return ModelCard(
        name=training.name or recipe,
        recipe=recipe,
        backbone=BackboneCard.model_validate(asdict(backbone.spec)),
        fingerprint=backbone.fingerprint,
        text_fingerprint=backbone.text_fingerprint,
        dim=backbone.dim,
        composer=trained.composer,
        parameters=training.parameters.model_dump(mode="json"),
        data=trained.data,
        metrics=dict(trained.metrics),
        parent=training.parent.card.name,
        protocol=training.parameters.protocol,
        created=clock.now(),
        note=trained.note,
    )
