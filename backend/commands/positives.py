"""`akin dataset spn-positives` and `akin dataset accept`: new triplets from unlabelled pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from backend.commands.terminal import AsJson, err, out, print_json, progress, stages

Step = Callable[[str, int, int], None]
"""Told what is being done, how much of it, and of how much."""


@dataclass(frozen=True)
class PositivesWanted:
    """Triplets of which dataset's pictures, where they go, and how; options: `name=value` each."""

    data: Path
    out: Path
    options: Sequence[str] = ()
    device: str = "auto"
    cache: Path | None = None


Make = Callable[[PositivesWanted, Step], dict[str, Any]]
Accept = Callable[[Path, str, Sequence[Path]], int]


def spn_positives_command(make: Make, describe: Callable[[], str]) -> Callable[..., None]:
    """The command, with what makes the triplets, and what tells its options."""

    def spn_positives(
        data: Annotated[Path | None, typer.Option("--data", help="The dataset's folder.")] = None,
        folder: Annotated[
            Path | None, typer.Option("--out", help="Where triplets and review sheets go.")
        ] = None,
        given: Annotated[
            list[str] | None, typer.Option("--set", help="An option as name=value; repeatable.")
        ] = None,
        device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
        cache: Annotated[
            Path | None,
            typer.Option(help="Where features and captions are kept; your own folder by default."),
        ] = None,
        options: Annotated[bool, typer.Option("--options", help="List the options.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Make triplets of unlabelled pictures: captions, pairs by rank, sentences (SPN4CIR)."""
        if options:
            out.print(describe(), markup=False, highlight=False, soft_wrap=True)
            return
        if data is None or folder is None:
            raise typer.BadParameter("give --data and --out, or --options to see what can be set")
        found = _made(make, PositivesWanted(data, folder, given or [], device, cache))
        if as_json:
            print_json(found)
            return
        err.print(found["sentence"], markup=False, highlight=False, soft_wrap=True)
        out.print(f"Look them over in {folder / 'review'}", markup=False, highlight=False)

    return spn_positives


def _made(make: Make, wanted: PositivesWanted) -> dict[str, Any]:
    with progress() as bars:
        return make(wanted, stages(bars))


def accept_command(accept: Accept) -> Callable[..., None]:
    """The command, with what writes the accepted triplets."""

    def accept_triplets(
        exports: Annotated[list[Path], typer.Argument(help="What the review sheets saved.")],
        folder: Annotated[Path, typer.Option("--out", help="The folder of the new triplets.")],
        name: Annotated[str, typer.Option(help="The name of their files.")] = "akin",
    ) -> None:
        """Write the new triplets that a review accepted beside all of them."""
        count = accept(folder, name, exports)
        place = folder / "captions"
        out.print(f"{count:,} accepted triplets are in {place}", markup=False, highlight=False)

    return accept_triplets
