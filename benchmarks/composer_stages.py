"""The trainings behind the table of composers, each by what `akin train` calls.

A stage's folder is that of the run: stopped in the middle, it goes on from the trainer's
checkpoint. `took.json` beside it is written when the model is, and says what was trained and how
long it took; a stage that has one is taken as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from backend.commands.training import TrainingWanted
from backend.composition.artefact import read_card
from backend.encoding.spec import DEMO
from backend.errors import InvalidInput
from workers.recipes.recipe import MODEL
from workers.recipes.registry import recipe_named
from workers.recipes.running import train_here

TOOK = "took.json"
TRIPLETS = "captions/cap.wardrobe.train.json"


@dataclass(frozen=True)
class Stage:
    """One training: a recipe with its options, from the demo backbone or from the model of a stage.

    name: of its folder; title: what its model is called in the table; after: the stage's name.
    """

    name: str
    title: str
    recipe: str
    options: Sequence[str]
    preset: str | None = None
    after: str | None = None

    @property
    def command(self) -> str:
        """As it would be typed, without folders."""
        parts = [f"akin train {self.recipe}"]
        parts += [f"--model {self.after}/{MODEL}"] if self.after else []
        parts += [f"--preset {self.preset}"] if self.preset else []
        return " ".join([*parts, *(f"--set {option}" for option in self.options)])


@dataclass(frozen=True)
class Trained:
    """A stage that is done. seconds: of its own steps and looks at the validation split."""

    model: Path
    steps: int
    batch: int
    best_step: int
    seconds: float
    before: Trained | None = None

    @property
    def seconds_in_all(self) -> float:
        """With those of the stages that it started from."""
        return self.seconds + (self.before.seconds_in_all if self.before else 0.0)


@dataclass(frozen=True)
class Workshop:
    """Where stages are trained: on which Wardrobe, into which folder."""

    data: Path
    out: Path

    @property
    def cache(self) -> Path:
        """Features of pictures and captions, shared by all stages."""
        return self.out / "features"

    def trained(self, stage: Stage, before: Trained | None = None) -> Trained:
        """The stage's model, trained now or before.

        Raises InvalidInput for a folder with a model that was trained in another way, and what
        training raises; SystemExit where Ctrl-C stopped it.
        """
        folder = self.out / stage.name
        wanted = self._wanted(stage, before)
        took = _read(folder / TOOK)
        if took is None:
            print(f"Training {stage.name}: {stage.command}", flush=True)
            took = {"wanted": wanted, **self._train(stage, folder, before)}
            (folder / TOOK).write_text(json.dumps(took, indent=1) + "\n")
        elif took["wanted"] != wanted:
            raise InvalidInput(
                f"{folder} holds a model that was trained with other options, on other data or "
                "from another model: remove it, or name another folder with --out."
            )
        return Trained(
            folder / MODEL,
            took["steps"],
            wanted["parameters"]["batch"],
            took["best_step"],
            took["seconds"],
            before,
        )

    def _wanted(self, stage: Stage, before: Trained | None) -> dict[str, Any]:
        """What two trainings have in common where the second need not be done."""
        parameters = recipe_named(stage.recipe).parameters.given(stage.options, stage.preset)
        return {
            "recipe": stage.recipe,
            "parameters": parameters.model_dump(mode="json"),
            "data": hashlib.sha256((self.data / TRIPLETS).read_bytes()).hexdigest(),
            "after": read_card(before.model).created.isoformat() if before else None,
        }

    def _train(self, stage: Stage, folder: Path, before: Trained | None) -> dict[str, Any]:
        found = train_here(
            TrainingWanted(
                recipe=stage.recipe,
                data=self.data,
                out=folder,
                model=str(before.model) if before else DEMO,
                options=stage.options,
                preset=stage.preset,
                device="cpu",
                cache=self.cache,
                name=stage.name,
            )
        )
        if found["stopped"] == "cancelled":
            raise SystemExit(
                f"Stopped at step {found['steps']:,} of {stage.name}: the same command goes on "
                "from there."
            )
        return {name: found[name] for name in ("steps", "best_step", "seconds")}


def each_trained(workshop: Workshop, stages: Sequence[Stage]) -> Iterator[tuple[Stage, Trained]]:
    """Every stage with its model, in order: one comes after those that it starts from."""
    done: dict[str, Trained] = {}
    for stage in stages:
        before = done[stage.after] if stage.after else None
        done[stage.name] = workshop.trained(stage, before)
        yield stage, done[stage.name]


def shortened(stages: Sequence[Stage]) -> list[Stage]:
    """The same stages with a few steps each, for a try of the whole."""
    return [
        replace(stage, options=[*stage.options, "batch=48", _LENGTHS.get(stage.recipe, "epochs=1")])
        for stage in stages
    ]


_LENGTHS = {"lincir": "steps=3"}


def _read(path: Path) -> dict[str, Any] | None:
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return found
