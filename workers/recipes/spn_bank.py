"""`spn-bank`: SPN4CIR's second stage, a text tower against every training image at once.

Feng et al. 2024, "Improving composed image retrieval via contrastive learning with scaling
positives and negatives", section 3.4. The image tower is frozen, so the bank of all images is exact
and is encoded once; the text tower is trained, and the Combiner of a model that has one.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from backend.composition.artefact import (
    ComposedModel,
    ComposerCard,
    DataCard,
    write_artefact,
)
from backend.composition.composer import Composer, FeatureSum
from backend.composition.networks import Combiner
from backend.composition.trained import CombinerComposer
from backend.encoding.backbone import load_backbone
from backend.errors import InvalidInput
from workers.recipes.recipe import LARGEST_SEED, Recipe, Trained, Training, card_of, fitted
from workers.recipes.triplets import TripletParameters, start_figures, told_beside, triplets_of
from workers.trainer.choosing import choosing_figures
from workers.trainer.losses import bank_loss
from workers.trainer.objective import Outcome
from workers.trainer.order import Rows
from workers.trainer.text_training import TextTraining
from workers.trainer.trained_towers import changed_towers, of_text, sum_of_features
from workers.trainer.triplet_data import TripletData

CHOSEN_BY = ("R@5", "Rs@1")
"""Figures of CIRR whose mean chooses the weights in the published code of Feng et al. 2024."""


class SpnBankParameters(TripletParameters):
    """Published values on CLIP4Cir: batch 256, 3 epochs, AdamW at 2e-5 with eps 1e-7, tau 0.02."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "8gb": {"chunk": 64},
        "small-data": {"batch": 128, "epochs": 2, "schedule": "cosine"},
    }

    batch: int = Field(256, ge=1)
    epochs: int = Field(3, ge=1)
    lr: float = Field(2e-5, gt=0)
    seed: int = Field(42, ge=0, le=LARGEST_SEED)
    temperature: float = Field(0.02, gt=0, description="tau of the loss.")
    chunk: int | None = Field(None, ge=1, description="Captions that are encoded at a time.")
    negatives: Literal["triplets", "all"] = Field(
        "triplets", description="all: the gallery's other images are in the bank too."
    )


@dataclass
class SpnBankObjective:
    """Text tower and Combiner against a bank; without a Combiner, the sum of features.

    words: of the model, on the texts of `data`. bank: (images, dim) un-normalised, the triplets'
    images first. groups: (images,), equal where two pictures are the same; None where none are, or
    where that is not asked.
    """

    model: Any  # open_clip has no types
    network: Combiner | None
    words: TextTraining
    data: TripletData
    bank: Tensor
    groups: Tensor | None
    masked: bool
    temperature: float
    seed: int
    run: Mapping[str, Any]
    in_batch: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._unit_bank = functional.normalize(self.bank, dim=-1)

    @property
    def count(self) -> int:
        return len(self.data.references)

    def trained(self) -> Mapping[str, Tensor]:
        named = () if self.network is None else self.network.named_parameters()
        return {**self.words.trained(), **{f"combiner.{name}": tensor for name, tensor in named}}

    def train_mode(self) -> None:
        """The towers stay in evaluation mode, as published; only a Combiner drops out."""
        self.model.eval()
        if self.network is not None:
            self.network.train()

    def load(self, rows: Rows, epoch: int) -> tuple[Rows, Rows, Rows]:
        told = self.data.told(rows, epoch, self.seed)
        return self.data.references[rows], told, self.data.targets[rows]

    def encode(self, batch: tuple[Rows, Rows, Rows]) -> tuple[Tensor, ...]:
        references, told, targets = (torch.from_numpy(rows) for rows in batch)
        compose = self.network or sum_of_features
        queries = compose(self.bank[references], self.words.features(told))
        return queries, targets.to(self.bank.device)

    def composer(self) -> Composer:
        """What answers with the weights as they are, which the model has from here on."""
        self.words.put_back()
        return FeatureSum() if self.network is None else CombinerComposer(self.network.eval())

    def loss(self, features: tuple[Tensor, ...]) -> Tensor:
        queries, targets = features
        return bank_loss(queries, self._unit_bank, targets, self.temperature, self.groups)

    def facts(self) -> Mapping[str, Any]:
        return {
            **self.run,
            "data": self.data.digest,
            "bank": len(self.bank),
            "temperature": self.temperature,
            "masked": self.masked,
        }


def train(training: Training) -> Outcome:
    """Train the text side of a sum or a Combiner, and write it as an artefact.

    Raises InvalidInput for data that cannot be trained on, a model that reads pictures as words,
    and what `fit` raises.
    """
    parameters = cast(SpnBankParameters, training.parameters)
    data = triplets_of(training, parameters)
    objective = bank_objective(training, parameters, data)
    parent = training.parent
    measure = choosing_figures(
        data.dataset, parent, training.cache, frozen_text=False, mean=parameters.mean,
        cirr=CHOSEN_BY, progress=training.said,
    )  # fmt: skip
    start = start_figures(training, measure, data)

    def answering() -> ComposedModel:
        return ComposedModel(parent.backbone, objective.composer(), parent.card)

    outcome = fitted(
        training,
        objective,
        None if measure is None else lambda: measure(answering()),
        eps=1e-7,
        start_counts=parent.card.composer.kind != "sum",
        chunk=parameters.chunk,
    )
    if outcome.stopped in ("done", "early") and training.team.leads:
        _write(training, objective, data, outcome, told_beside(start, outcome, training))
    return outcome


def bank_objective(
    training: Training, parameters: SpnBankParameters, data: TripletData
) -> SpnBankObjective:
    """The objective with its bank from the cache; the parent's text tower is trained in place."""
    backbone = training.parent.backbone
    network = _network(training.parent)
    bank = _bank(training, data, parameters.negatives)
    torch.manual_seed(parameters.seed)
    for name, parameter in backbone.model.named_parameters():
        parameter.requires_grad_(of_text(name))
    tokens = backbone.tokenize(data.texts).to(backbone.device)
    masked = parameters.protocol == "default"
    return SpnBankObjective(
        model=backbone.model,
        network=None if network is None else network.to(backbone.device),
        words=TextTraining(backbone.model, tokens),
        data=data,
        bank=torch.from_numpy(bank).to(backbone.device),
        groups=_groups(bank, backbone.device) if masked else None,
        masked=masked,
        temperature=parameters.temperature,
        seed=parameters.seed,
        run=training.facts,
    )


def _network(parent: ComposedModel) -> Combiner | None:
    """The Combiner to train along; None where the sum of features composes."""
    composer = parent.card.composer
    if composer.kind in ("sum", "feature-sum") and not composer.centred:
        return None
    if isinstance(parent.composer, CombinerComposer):
        return copy.deepcopy(parent.composer.network).requires_grad_()
    raise InvalidInput(
        f"The model {parent.card.name} is a {composer.kind}: spn-bank goes on from a "
        "sum or a Combiner, so name such a model with --model."
    )


def _bank(training: Training, data: TripletData, negatives: str) -> np.ndarray[Any, Any]:
    """(images, dim): the triplets' images in their order, then all others if they are wanted."""
    names: list[str] = list(data.names)
    if negatives == "all":
        others = (name for split in data.splits for name in split.found_gallery)
        names = list(dict.fromkeys([*names, *others]))
    images: dict[str, Path] = {name: data.images[name] for name in names}

    def seen(done: int, total: int) -> None:
        training.said("Seeing pictures", done, total)

    found = training.cache.image_features(training.parent.backbone, images, seen).require_all()
    return np.array(found.take(found.rows_of(names)))


def _groups(bank: np.ndarray[Any, Any], device: torch.device) -> Tensor | None:
    """(images,) numbers that pictures with the same features share: the same picture twice. None
    where all are different, and nothing has to be left out."""
    found, groups = np.unique(bank, axis=0, return_inverse=True)
    return None if len(found) == len(bank) else torch.from_numpy(groups.reshape(-1)).to(device)


def _write(
    training: Training,
    objective: SpnBankObjective,
    data: TripletData,
    outcome: Outcome,
    beside: Mapping[str, Any],
) -> None:
    """The artefact; its fingerprint is taken of the towers as anyone will load them."""
    parent = training.parent
    spec, network = parent.card.backbone.spec, objective.network
    objective.words.put_back()
    towers = changed_towers(objective.model, load_backbone(spec, "cpu").model)
    loaded = load_backbone(spec, "cpu", overlay=towers)
    trained = Trained(
        ComposerCard(kind="feature-sum" if network is None else "combiner"),
        DataCard(
            description=data.dataset.kind.label,
            hash=data.digest,
            counts={**data.counts, "bank": len(objective.bank)},
        ),
        {"choosing": dict(outcome.figures), "seconds": round(outcome.seconds, 1),
         "best_step": outcome.best_step, **beside},
        " ".join(data.remarks),
    )  # fmt: skip
    model = ComposedModel(loaded, parent.composer, parent.card)
    card = card_of(training, RECIPE.name, model, trained)
    write_artefact(
        training.artefact, card, None if network is None else network.state_dict(), towers
    )


RECIPE = Recipe(
    name="spn-bank",
    about="A second stage: the text tower learns against every training image (SPN4CIR).",
    data="triplets: FashionIQ, CIRR, Wardrobe or an exported catalogue",
    takes="triplets",
    parameters=SpnBankParameters,
    train=train,
)
