"""One segment of a run, in the child process: plain files in, a checkpoint or a model out."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from backend.composition.artefact import ComposedModel, load_model, untrained_model
from backend.encoding.backbone import load_backbone
from backend.whole_files import write_whole
from workers.recipes.recipe import Training
from workers.recipes.registry import recipe_named
from workers.trainer.features import FeatureCache
from workers.training_files import OUTCOME
from workers.training_reports import Reports
from workers.training_spec import Ended, ModelSpec, TrainWork


def train_segment(work: TrainWork, reports: Reports) -> Ended:
    """Train until the segment or the run is over; at its end the model is in `work.out`.

    Raises what the recipe raises, and StopAsked while it prepares.
    """
    torch.set_num_threads(work.threads)
    recipe = recipe_named(work.recipe)
    training = Training(
        data=work.data,
        out=work.out,
        parameters=recipe.parameters.model_validate(work.parameters),
        parent=loaded(work.parent, work.device, work.threads),
        cache=FeatureCache(work.cache),
        cancelled=reports.stop.is_set,
        report=reports.step,
        said=reports.preparing,
        remark=reports.remark,
        segment_seconds=work.segment_seconds,
        name=work.name,
    )
    outcome = recipe.train(training)
    ended = Ended(
        stopped=outcome.stopped,
        steps=outcome.steps,
        seconds=round(outcome.seconds, 1),
        best_step=outcome.best_step,
    )
    if ended.stopped in ("done", "early"):
        write_whole(work.out / OUTCOME, json.dumps(ended.model_dump(mode="json")).encode())
    return ended


def loaded(spec: ModelSpec, device: str, threads: int) -> ComposedModel:
    """The model of a version, called as the version is.

    Raises what `load_model` and `load_backbone` raise.
    """
    if spec.folder is not None:
        found = load_model(Path(spec.folder), device, threads)
    else:
        found = untrained_model(load_backbone(spec.backbone.spec, device, threads), spec.composer)
    card = found.card.model_copy(update={"name": spec.name})
    return ComposedModel(found.backbone, found.composer, card)
