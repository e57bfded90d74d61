"""`akin train`: a model from a dataset's folder, without a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from backend.commands.terminal import AsJson, err, out, print_json
from backend.encoding.spec import DEMO


@dataclass(frozen=True)
class TrainingWanted:
    """What to train, on what, from which model, and where it goes. model: an artefact's folder,
    or `akin-demo`; options: `name=value` each."""

    recipe: str
    data: Path
    out: Path
    model: str = DEMO
    options: Sequence[str] = ()
    preset: str | None = None
    device: str = "auto"
    threads: int | None = None
    cache: Path | None = None
    name: str | None = None


Train = Callable[[TrainingWanted], dict[str, Any]]
Describe = Callable[[str], str]


def train_command(run: Train, describe: Describe) -> Callable[..., None]:
    """The command, with what trains, and what tells a recipe's options."""

    def train(
        recipe: Annotated[
            str, typer.Argument(help="The training method; --options lists its own.")
        ],
        data: Annotated[Path | None, typer.Option("--data", help="The dataset's folder.")] = None,
        folder: Annotated[
            Path | None,
            typer.Option("--out", help="Folder of the run; one that holds a run goes on with it."),
        ] = None,
        model: Annotated[
            str, typer.Option("--model", help=f"The model to start from: a folder, or {DEMO}.")
        ] = DEMO,
        given: Annotated[
            list[str] | None, typer.Option("--set", help="An option as name=value; repeatable.")
        ] = None,
        preset: Annotated[
            str | None, typer.Option(help="Options for a size of data or GPU.")
        ] = None,
        name: Annotated[str | None, typer.Option(help="What the model is called.")] = None,
        device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
        threads: Annotated[int | None, typer.Option(min=1, help="Processor threads.")] = None,
        cache: Annotated[
            Path | None, typer.Option(help="Where features are kept; your own folder by default.")
        ] = None,
        options: Annotated[
            bool, typer.Option("--options", help="List the recipe's options and presets.")
        ] = False,
        as_json: AsJson = False,
    ) -> None:
        """Train a model; Ctrl-C stops it after the step it is at, and it goes on from there."""
        if options:
            out.print(describe(recipe), markup=False, highlight=False, soft_wrap=True)
            return
        if data is None or folder is None:
            raise typer.BadParameter("give --data and --out, or --options to see what can be set")
        wanted = TrainingWanted(
            recipe, data, folder, model, given or [], preset, device, threads, cache, name
        )
        found = run(wanted)
        if as_json:
            print_json(found)
        else:
            err.print(_told(found, folder), markup=False, highlight=False, soft_wrap=True)

    return train


def _told(found: dict[str, Any], folder: Path) -> str:
    if found["stopped"] in ("done", "early"):
        if found["figures"] and found["best_step"] == 0:
            return (
                f"No step made the model that it starts from better: {found['model']} holds that "
                "model unchanged. Try a lower learning rate, or more data."
            )
        return f"The model is in {found['model']}; its curves are in {folder / 'curves.png'}"
    return f"Stopped at step {found['steps']}: the same command goes on from there."
