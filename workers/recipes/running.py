"""What `akin train` does: a recipe, its options and a folder in, an artefact out.

Light to import: torch is loaded when something is trained.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from backend.commands.terminal import err, progress, stages
from backend.commands.training import TrainingWanted
from backend.composition.card import check_name

if TYPE_CHECKING:
    from workers.recipes.recipe import Recipe, Said


def describe_recipe(name: str) -> str:
    """A recipe's options with their defaults, and its presets, a line each.

    Raises InvalidInput for a recipe that is not there.
    """
    from workers.recipes.registry import recipe_named

    recipe = recipe_named(name)
    lines = [f"{recipe.name}: {recipe.about}", f"trains on {recipe.data}", "", "options"]
    for option, facts in recipe.parameters.model_fields.items():
        told = f"  {facts.description}" if facts.description else ""
        lines.append(f"  {option}={facts.default}{told}")
    for preset, values in recipe.parameters.presets.items():
        lines += ["", f"preset {preset}", *(f"  {key}={value}" for key, value in values.items())]
    return "\n".join(lines)


def train_here(wanted: TrainingWanted) -> dict[str, Any]:
    """Train in this process, from the checkpoint in the folder if there is one.

    Raises InvalidInput, NotFound or SetupError for a recipe, option, dataset or model that is not
    there or does not fit; Diverged where the loss is no number any more; NoSpace for a full disk.
    """
    from workers.recipes.registry import recipe_named

    recipe = recipe_named(wanted.recipe)
    if wanted.name is not None:
        check_name(wanted.name)
    with _interruptible() as cancelled, progress() as bars:
        outcome, folder = _run(recipe, wanted, cancelled, stages(bars))
    figures = {name: round(value, 3) for name, value in outcome.figures.items()}
    return {
        "recipe": recipe.name,
        "stopped": outcome.stopped,
        "steps": outcome.steps,
        "seconds": round(outcome.seconds, 1),
        "best_step": outcome.best_step,
        "figures": figures,
        "model": str(folder),
    }


def _run(
    recipe: Recipe, wanted: TrainingWanted, cancelled: Callable[[], bool], said: Said
) -> tuple[Any, Any]:
    import torch

    from backend.composition.artefact import load_model
    from workers.recipes.recipe import Training
    from workers.trainer.distributed import team
    from workers.trainer.features import FeatureCache, default_root
    from workers.trainer.progress import progress_bar

    parameters = recipe.parameters.given(wanted.options, wanted.preset)
    if wanted.threads:
        torch.set_num_threads(wanted.threads)
    with team(wanted.device) as processes, progress_bar(err) as report:
        training = Training(
            data=wanted.data,
            out=wanted.out,
            parameters=parameters,
            parent=load_model(wanted.model, str(processes.device), wanted.threads),
            cache=FeatureCache(wanted.cache or default_root()),
            team=processes,
            cancelled=cancelled,
            report=report,
            said=said,
            remark=lambda sentence: err.print(sentence, markup=False, highlight=False),
            name=wanted.name,
        )
        return recipe.train(training), training.artefact


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C asks the run to stop after its step; a second one ends the program."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def note(number: int, frame: object) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
