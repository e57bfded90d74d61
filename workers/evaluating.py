"""What `akin evaluate`, `akin score` and `akin submit` do: folders and files in, figures out.

Light to import: torch is loaded when a model is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from backend.commands.evaluating import EvaluationWanted, Step, SubmissionWanted
from backend.encoding.spec import DEMO
from backend.errors import InvalidInput
from backend.figures import Evaluation

if TYPE_CHECKING:
    from backend.composition.artefact import ComposedModel
    from workers.datasets.triplets import TripletSplit
    from workers.metrics.protocols import Protocol
    from workers.trainer.benchmarking import Evaluated
    from workers.trainer.features import FeatureCache

SUBMITTED = {"cirr": "test1", "circo": "test"}


def evaluate_here(wanted: EvaluationWanted, step: Step) -> Evaluation:
    """The figures of a model on a benchmark, and the report if one is wanted.

    Raises InvalidInput, NotFound or SetupError for a benchmark, dataset, model or protocol that is
    not there or does not fit.
    """
    from workers.metrics.benchmarks import benchmark_named
    from workers.trainer.benchmarking import evaluate

    benchmark = benchmark_named(wanted.benchmark)
    protocol = _protocol(benchmark.protocol(wanted.protocol), wanted.prompt)
    if wanted.report is not None:
        _check_place(wanted.report)
    splits = load_splits(benchmark.name, wanted.data, wanted.split or benchmark.split, protocol)
    model = load_prompted(wanted.model, wanted.composer, protocol.prompt, wanted.device)
    cache = _cache(wanted.cache)
    found = evaluate(model, benchmark, splits, protocol, cache, frozen_text=True, progress=step)
    if wanted.report is not None:
        _report(found, wanted.report)
    return found.evaluation


def score_here(
    benchmark: str,
    annotations: Sequence[Path],
    predictions: Sequence[Path],
    images: Sequence[Path] = (),
) -> Evaluation:
    """`workers.metrics.scoring.score`, imported when it is called."""
    from workers.metrics.scoring import score

    return score(benchmark, annotations, predictions, images)


def submit_here(wanted: SubmissionWanted, step: Step) -> list[Path]:
    """The written files; raises as `evaluate_here` does, and where a server's rule is broken."""
    from workers.metrics.benchmarks import benchmark_named
    from workers.trainer.posing import Desk, text_features
    from workers.trainer.submitting import submit_circo, submit_cirr

    if wanted.benchmark not in SUBMITTED:
        raise InvalidInput(
            f'No server takes rankings of "{wanted.benchmark}": choose one of '
            f"{', '.join(SUBMITTED)}."
        )
    protocol = _protocol(benchmark_named(wanted.benchmark).protocol("default"), wanted.prompt)
    name = wanted.split or SUBMITTED[wanted.benchmark]
    (split,) = load_splits(wanted.benchmark, wanted.data, name, protocol)
    model = load_prompted(wanted.model, wanted.composer, protocol.prompt, wanted.device)
    cache = _cache(wanted.cache)
    desk = Desk(model, protocol, cache, text_features(model, cache, True, step), step)
    write = submit_cirr if wanted.benchmark == "cirr" else submit_circo
    return write(desk, split, wanted.out)


def load_splits(
    benchmark: str, folder: Path, split: str, protocol: Protocol
) -> Sequence[TripletSplit]:
    """The splits of a benchmark's dataset. Two published protocols cut pictures by other rules."""
    from workers.datasets import coco, genecis
    from workers.datasets.opening import kind_named

    match benchmark:
        case "genecis":
            return genecis.load(folder, split, "published" if protocol.published else "default")
        case "coco":
            return coco.load(folder, split, "published" if protocol.published else "default")
        case "imagenet":
            return kind_named("imagenet_r").load(folder, split)
        case _:
            return kind_named(benchmark).load(folder, split)


def load_prompted(
    name: str, composer: str | None, prompt: str | None, device: str = "auto"
) -> ComposedModel:
    """The model in a folder, or the demo's, reading pictures in the given sentence if it reads
    them at all.

    composer: for a model that brings none of its own. Raises InvalidInput for one that does, for a
    prompt that is none, and as `load_model` does.
    """
    from backend.composition.artefact import load_model, untrained_model

    model = load_model(name, device)
    if composer is not None:
        if name != DEMO:
            raise InvalidInput(
                f"The model {name} has a composer of its own: leave out the composer {composer}."
            )
        return untrained_model(model.backbone, composer)
    return model if prompt is None else _prompted(model, Path(name), prompt)


def _prompted(model: ComposedModel, folder: Path, prompt: str) -> ComposedModel:
    from backend.composition.artefact import load_composer
    from backend.encoding.prompts import Prompt

    if model.composer.prompt is None:
        return model
    told = model.card.composer.model_copy(update={"prompt": Prompt.parse(prompt).template})
    card = model.card.model_copy(update={"composer": told})
    return replace(model, composer=load_composer(folder, card, model.backbone), card=card)


def _protocol(protocol: Protocol, prompt: str | None) -> Protocol:
    """The protocol with a prompt of the user's own, which its name then says."""
    if prompt is None:
        return protocol
    return replace(protocol, name=f"{protocol.name}, own prompt", prompt=prompt)


def _cache(folder: Path | None) -> FeatureCache:
    from workers.trainer.features import FeatureCache, default_root

    return FeatureCache(folder or default_root())


def _check_place(report: Path) -> None:
    """An evaluation may take an hour: what would stop its report is told before."""
    if report.is_dir():
        raise InvalidInput(f"{report} is a folder: name an HTML file in it.")
    report.parent.mkdir(parents=True, exist_ok=True)


def _report(found: Evaluated, path: Path) -> None:
    from workers.metrics.cases import Look, best_and_worst
    from workers.metrics.report import report_page, write_report

    looks = [
        Look(
            one.posed.questions,
            [wording.captions for wording in one.posed.wordings],
            one.scorers["composed"],
            {way: outcome.ranks for way, outcome in one.outcomes.items()},
        )
        for one in found.splits
    ]
    best, worst = best_and_worst(looks, "composed")
    write_report(path, report_page(found.evaluation, best, worst))
