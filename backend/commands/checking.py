"""`akin dataset check`: look through a dataset's folder before anything is trained on it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, TaskID
from rich.table import Table

from backend.commands.terminal import AsJson, out, print_json, progress
from backend.findings import Check, Findings


def check_command(check: Check) -> Callable[..., None]:
    """The command, with what looks through a folder."""

    def check_folder(
        folder: Annotated[Path, typer.Argument(help="The dataset's folder, or a captions file.")],
        kind: Annotated[
            str | None,
            typer.Option(
                "--kind",
                help="wardrobe, fashioniq, cirr, genecis, coco, circo, imagenet_r, catalogue, "
                "images or captions; recognised by default.",
            ),
        ] = None,
        images: Annotated[bool, typer.Option("--images", help="Open every picture.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Say what of a dataset is there, missing, unreadable or in the wrong folder."""
        with progress() as bars:
            step = partial(_step, bars, bars.add_task("Looking", total=None, visible=False))
            findings = check(folder, kind, images, step)
        if as_json:
            print_json(findings)
        else:
            _show(findings)
        if not findings.good:
            raise typer.Exit(1)

    return check_folder


def _step(bars: Progress, bar: TaskID, stage: str, done: int, total: int) -> None:
    bars.update(bar, description=stage, completed=done, total=total, visible=True)


def _show(findings: Findings) -> None:
    _say(f"{findings.folder} is {findings.label}.")
    if findings.captions is not None:
        _say(f"It has {findings.captions:,} captions.")
    if findings.splits:
        out.print(_table(findings))
    if findings.opened is not None:
        _say(f"{findings.opened:,} pictures were opened.")
    for note in findings.notes:
        _say(f"Note: {note}")
    for problem in findings.problems:
        _say(problem, style="red")
    if findings.good:
        _say("All is there.", style="green")


def _say(sentence: str, style: str | None = None) -> None:
    out.print(sentence, style=style, markup=False, highlight=False, soft_wrap=True)


def _table(findings: Findings) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("split")
    for heading in ("triplets", "published", "images", "published", "found"):
        table.add_column(heading, justify="right")
    for one in findings.splits:
        numbers = (
            one.triplets,
            one.published_triplets,
            one.images,
            one.published_images,
            one.found,
        )
        table.add_row(one.name, *("" if n is None else f"{n:,}" for n in numbers))
    return table
