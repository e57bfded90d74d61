"""Training steps, a bank and texts: the published way and the recipes' own.

Dropout and noise are off and both begin with the same weights, so that the first losses agree.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.comparing import Item, within
from benchmarks.method_bench import RN50X4_TEXT, SMALL, TOWERS, Bench, texts, towers
from benchmarks.published import training as published
from benchmarks.published.towers import whole_texts
from workers.recipes.combiner import CombinerParameters, combiner_objective
from workers.recipes.lincir import LincirParameters, lincir_objective
from workers.recipes.pic2word import Pic2WordParameters, pic2word_objective
from workers.recipes.recipe import Parameters
from workers.trainer.distributed import ALONE
from workers.trainer.features import FeatureCache
from workers.trainer.objective import Objective
from workers.trainer.order import Order
from workers.trainer.triplet_data import training_triplets
from workers.trainer.updating import Updates


def training_items(scratch: Path, scale: float = 1.0) -> list[list[Item]]:
    """Steps, bank and texts, those together that have the published way in common; `scale` shrinks
    them for a try."""
    bench = Bench(scratch, towers(SMALL), scale)
    return [
        [combiner_item(bench)],
        lincir_items(bench),
        [pic2word_item(bench)],
        bank_items(bench),
        [text_item(scratch, bench.size(256))],
    ]


def combiner_item(bench: Bench) -> Item:
    """An epoch after the first, of one batch."""
    batch = bench.size(256)
    parameters = CombinerParameters(batch=batch, epochs=10_000, dropout=0, protocol="published")
    data = training_triplets(bench.wardrobe)
    objective = combiner_objective(bench.training(bench.wardrobe, parameters), parameters, data)
    network = copy.deepcopy(objective.network)
    optimiser = torch.optim.Adam(network.parameters(), lr=parameters.lr)
    step = _steps(objective, parameters, optimiser="adam", weight_decay=0.0)
    rows = Order(len(data.references), batch, 0).rows(0)
    tokens = bench.backbone.tokenize([data.texts[row] for row in data.told(rows, 0, 0)])
    pictures = [
        torch.stack([bench.seen(data.images[data.names[row]]) for row in side[rows]])
        for side in (data.references, data.targets)
    ]

    def theirs() -> float:
        batches = [(pictures[0], pictures[1], tokens)]
        return published.combiner_epoch(bench.theirs, network, optimiser, batches)

    what = f"Combiner, an epoch of {batch} triplets after the first ({TOWERS})"
    return Item(what, 80, theirs, step, _same_loss, turns=1)


def lincir_items(bench: Bench) -> list[Item]:
    """A step of 64 captions, the batch of one of the published run's eight GPUs: with what is
    frozen computed before, as for up to half a million captions; and with each tagged, masked and
    encoded in the step, as for more."""
    batch = min(64, bench.size(256))
    parameters = LincirParameters(batch=batch, steps=10_000, dropout=0, noise=0, tagger="rules")
    objective = lincir_objective(bench.training(bench.captions, parameters), parameters)
    network = copy.deepcopy(objective.network)
    unkept = dataclasses.replace(objective, kept=None, network=copy.deepcopy(network))
    optimiser = torch.optim.AdamW(network.parameters(), lr=parameters.lr)
    rows = Order(objective.count, batch, parameters.seed).rows(0)
    captions = bench.backbone.tokenize(objective.texts.take(objective.rows[rows]))
    batch_of_ours = objective.load(rows, 0)
    masked = (batch_of_ours.tokens, batch_of_ours.marks)

    def theirs() -> float:
        return published.lincir_step(bench.theirs, network, optimiser, captions, masked, noise=0)

    what = f"LinCIR, a step of {batch} captions seen"
    decay = parameters.weight_decay
    return [
        Item(f"{what} {seen} ({TOWERS})", 3, theirs, _steps(ours, parameters, weight_decay=decay),
             _same_loss, turns=2)
        for seen, ours in (("before", objective), ("for the first time", unkept))
    ]  # fmt: skip


def pic2word_item(bench: Bench) -> Item:
    """A step of 64 pictures, the published code's own number where none is given."""
    batch = min(64, bench.size(256))
    parameters = Pic2WordParameters(batch=batch, epochs=10_000, dropout=0, warmup=0)
    objective = pic2word_objective(bench.training(bench.wardrobe, parameters), parameters)
    network = copy.deepcopy(objective.network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=parameters.lr)
    step = _steps(objective, parameters, weight_decay=parameters.weight_decay)
    rows = Order(objective.count, batch, parameters.seed).rows(0)
    paths = [objective.pictures.take(int(row)) for row in rows]
    pictures = torch.stack([bench.seen(path) for path in paths if isinstance(path, Path)])

    def theirs() -> float:
        prompt = objective.prompt[0]
        return published.pic2word_step(bench.theirs, network, optimiser, pictures, prompt)

    what = f"Pic2Word, a step of {batch} pictures after the first epoch ({TOWERS})"
    return Item(what, 6, theirs, step, _same_loss, turns=2)


def bank_items(bench: Bench) -> list[Item]:
    """The bank of 200 triplets: by the first run on these pictures, and by any run after it. The
    published way decodes and encodes the pictures of every triplet in each."""
    data = training_triplets(bench.wardrobe)
    triplets = min(bench.size(200), len(data.references))
    sides = [[data.images[data.names[row]] for row in side[:triplets]]
             for side in (data.references, data.targets)]  # fmt: skip
    images = {str(path): path for side in sides for path in side}
    cache = FeatureCache(bench.scratch / "bank")

    def theirs() -> Tensor:
        return published.bank(bench.theirs, _batches(bench, sides))[0]

    def ours(kept: FeatureCache) -> Tensor:
        found = kept.image_features(bench.backbone, images)
        return torch.from_numpy(found.take(found.rows_of([str(path) for path in sides[0]])))

    def first() -> Tensor:
        return ours(FeatureCache(bench.scratch / f"bank-{next(bench.fresh)}"))

    what = f"SPN4CIR's bank of {triplets} triplets, {len(images)} pictures ({TOWERS})"
    return [
        Item(f"{what}, {when}", goal, theirs, do, _same_features, turns=1)
        for when, goal, do in (
            ("after the first run", 8, partial(ours, cache)),
            ("in the first run", 1, first),
        )
    ]


def text_item(scratch: Path, number: int, architecture: dict[str, Any] = RN50X4_TEXT) -> Item:
    """Captions through a text tower, by default of RN50x4's size, into an empty cache."""
    backbone, fresh = towers(architecture), count()
    tokens = backbone.tokenize(texts(number))

    def theirs() -> Tensor:
        with torch.inference_mode():
            return torch.cat([whole_texts(backbone.model, part) for part in tokens.split(32)])

    def ours() -> Tensor:
        cache = FeatureCache(scratch / f"texts-{next(fresh)}")
        return torch.from_numpy(np.array(cache.text_features(backbone, texts(number))))

    return Item(f"{number} captions through a text tower of RN50x4's size", 2, theirs, ours,
                _same_features, turns=1)  # fmt: skip


def _steps(
    objective: Objective[Any], parameters: Parameters, **options: Any
) -> Callable[[], float]:
    """Makes one update after another, as `fit` does, each epoch a batch."""
    fitting = parameters.fit_options(**_length(parameters), **options)
    order = Order(objective.count, parameters.batch, parameters.seed)
    updates = Updates(objective, fitting, order, 10_000, ALONE)
    objective.train_mode()
    number = count()

    def step() -> float:
        at = next(number)
        return updates.make(at, updates.load(at))

    return step


def _length(parameters: Parameters) -> dict[str, Any]:
    steps = getattr(parameters, "steps", None)
    return {} if steps is None else {"epochs": None, "steps": steps}


def _batches(bench: Bench, sides: Sequence[Sequence[Path]]) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, len(sides[0]), 32):
        first, second = (
            torch.stack([bench.seen(path) for path in side[start : start + 32]]) for side in sides
        )
        yield first, second


def _same_loss(first: float, second: float) -> str:
    return within(abs(first - second), "losses {:.1g} apart")


def _same_features(first: Tensor, second: Tensor) -> str:
    return within(float((first - second).abs().max()), "numbers at most {:.1g} apart")
