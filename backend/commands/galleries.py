"""`akin galleries`: how far each gallery holds the catalogue."""

from __future__ import annotations

import typer
from rich.table import Table

from backend.commands.terminal import AsJson, Url, connect, err, out, print_json
from backend.registry.gallery_schemas import GalleryOut

app = typer.Typer(no_args_is_help=True, help="Galleries: how far they hold the catalogue.")


@app.callback()
def galleries() -> None:
    """Galleries: how far they hold the catalogue."""


@app.command("list")
def list_galleries(as_json: AsJson = False, url: Url = None) -> None:
    """Every gallery of a running server with its coverage."""
    with connect(url) as client:
        found = client.galleries()
    if as_json:
        print_json(found)
        return
    table = Table("gallery", "", "coverage", "embedded", "stale", "missing", "refused", "points")
    for one in found.galleries:
        counts = (one.embedded, one.stale, one.missing, one.refused, one.points)
        shown = ("?" if count is None else f"{count:,}" for count in counts)
        table.add_row(one.id, "active" if one.active else "", share(one), *shown)
    out.print(table)
    for one in found.galleries:
        if one.layout:
            out.print(f"{one.id}: {one.layout}", markup=False, highlight=False, soft_wrap=True)
        if one.problem:
            err.print(f"{one.id}: {one.problem}", markup=False, highlight=False, soft_wrap=True)


def share(gallery: GalleryOut) -> str:
    """The coverage in per cent, rounded down: 100 % says that nothing is left out."""
    return f"{int(gallery.share * 1000) / 10:.1f} %"
