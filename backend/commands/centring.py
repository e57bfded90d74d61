"""`akin models centre`: a model whose queries leave out the means of pictures and words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.commands.terminal import AsJson, err, print_json
from backend.composition.card import TRAINED
from backend.encoding.spec import DEMO

if TYPE_CHECKING:
    from backend.composition.card import ModelCard


@dataclass(frozen=True)
class CentringWanted:
    """model: an artefact's folder, or `akin-demo`. data: where the means are measured; without it
    those of the model or its backbone are taken. composer: for `akin-demo`."""

    model: str
    out: Path
    data: Path | None = None
    composer: str | None = None
    name: str | None = None
    device: str = "auto"
    cache: Path | None = None


Centre = Callable[[CentringWanted], "ModelCard"]


def centre_command(centre: Centre) -> Callable[..., None]:
    """The command, with what measures and writes."""

    def command(
        model: Annotated[str, typer.Argument(help=f"A model's folder, or {DEMO}.")],
        folder: Annotated[Path, typer.Option("--out", help="The new model's folder.")],
        data: Annotated[
            Path | None,
            typer.Option(
                "--data", help="Pictures and texts to measure on; else the means it comes with."
            ),
        ] = None,
        composer: Annotated[
            str | None, typer.Option(help=f"sum, slerp or product, for {DEMO}.")
        ] = None,
        name: Annotated[str | None, typer.Option(help="What the model is called.")] = None,
        device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
        cache: Annotated[
            Path | None, typer.Option(help="Where features are kept; your own folder by default.")
        ] = None,
        as_json: AsJson = False,
    ) -> None:
        """Write a model that takes the mean picture and the mean text out of its queries."""
        card = centre(CentringWanted(model, folder, data, composer, name, device, cache))
        if as_json:
            print_json(card)
        else:
            told = f"The model is in {folder}: compare it with akin evaluate --model {folder}"
            err.print(told, markup=False, highlight=False, soft_wrap=True)
        if card.composer.kind in TRAINED:
            err.print(
                f"The network of {card.parent} was trained on features with their means, and "
                "mostly answers worse without: measure both before using this one.",
                highlight=False, soft_wrap=True,
            )  # fmt: skip

    return command
