"""The `akin` command. One of the two places that may wire the worker's code to the backend's."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from backend.catalogue.schemas import ImportCreate
from backend.catalogue.sources import collect
from backend.client import AkinClient
from backend.commands import importing, jobs, maintenance, searching, serving
from backend.commands.terminal import AsJson, err, out, print_json, progress
from backend.errors import AkinError
from workers.datasets.wardrobe.dataset import Summary, write_dataset

DEMO_ITEMS = 1500
DEMO_SEED = 7
DEMO_PIXELS = 320

app = typer.Typer(
    name="akin",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Find it like this, but different: composed image retrieval for product catalogues.",
)
datasets = typer.Typer(no_args_is_help=True, help="Datasets: make them, look at them.")


def seed_demo(client: AkinClient, home: Path) -> None:
    """Draw the demo catalogue and import it like anybody's."""
    folder = home / "wardrobe"
    with progress() as bars:
        if not folder.exists():
            _draw(folder, DEMO_ITEMS, DEMO_SEED, bars)
        sources = collect([folder / "products.csv"])
        job = importing.send(client, sources, ImportCreate(), bars)
        importing.watch(client, job.id, bars, "Importing")
        importing.watch_embedding(client, bars)


def _draw(folder: Path, items: int, seed: int, bars: Progress) -> Summary:
    bar = bars.add_task("Drawing the wardrobe", total=items, visible=False)
    return write_dataset(
        folder,
        items,
        seed,
        size=DEMO_PIXELS,
        processes=os.cpu_count() or 1,
        progress=lambda done, total: bars.update(bar, completed=done, total=total, visible=True),
    )


@datasets.command()
def wardrobe(
    folder: Annotated[Path, typer.Option("--out", help="A new or empty folder.")],
    items: Annotated[int, typer.Option(min=6, help="How many products, in families of six.")] = 300,
    seed: Annotated[int, typer.Option(help="The same seed draws the same catalogue.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Draw the demo catalogue: pictures, products.csv, and triplets in FashionIQ's format."""
    with progress() as bars:
        summary = _draw(folder, items, seed, bars)
    if as_json:
        print_json({"folder": str(folder), "items": summary.items, "triplets": summary.triplets})
    else:
        out.print(f"Bring it in with: akin ingest {folder / 'products.csv'}")


app.command()(serving.up_command(seed_demo))
app.command()(importing.ingest)
app.command()(searching.search)
app.add_typer(jobs.app, name="jobs")
app.command()(searching.compose)
app.command()(importing.export)
app.command()(maintenance.doctor)
app.command()(maintenance.reset)
app.add_typer(datasets, name="dataset")


def main() -> None:
    """Run the command; a told failure is one sentence on standard error and exit code 1."""
    try:
        app()
    except AkinError as error:
        err.print(error.sentence, style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
