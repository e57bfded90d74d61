"""`akin ingest --preview`: what an import would make of its files, with nothing written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import typer
from pydantic import BaseModel
from rich.markup import escape
from rich.table import Table

from backend.catalogue.naming import kind_of
from backend.catalogue.preview_schemas import ManifestPreview, PicturePreview, PreviewRequest
from backend.catalogue.schemas import JsonObject, ManifestOptions
from backend.catalogue.sources import Source
from backend.client import AkinClient
from backend.commands.terminal import err, out, print_json

PICTURES = 20
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
_CHOSEN_BY = {"name": "its name", "content": "its content", "you": "you", None: ""}


def preview(
    client: AkinClient, sources: Sequence[Source], options: ManifestOptions, *, as_json: bool
) -> None:
    """Show each manifest, or where there is none, what the pictures' names say.

    Raises:
        Exit: with 1, where a manifest cannot be read as it is.
    """
    manifests = [source for source in sources if kind_of(source.name) == "manifest"]
    seen = [_seen(client, source, sources, options) for source in manifests]
    names = [source.name for source in sources if kind_of(source.name) == "picture"]
    pictures = [] if manifests else client.preview_pictures(names[:PICTURES])
    if as_json:
        print_json({"manifests": _plain(seen), "pictures": _plain(pictures)})
    else:
        for one in seen:
            _show(one)
        if pictures:
            _show_pictures(pictures, len(names))
    if any(one.refusal for one in seen):
        raise typer.Exit(1)


def _plain(models: Iterable[BaseModel]) -> list[JsonObject]:
    return [model.model_dump(mode="json") for model in models]


def _seen(
    client: AkinClient, manifest: Source, sources: Sequence[Source], options: ManifestOptions
) -> ManifestPreview:
    known = [source.name for source in sources if kind_of(source.name) == "picture"]
    zipped = any(kind_of(source.name) == "zip" for source in sources)
    given = options.model_dump(include=set(ManifestOptions.model_fields))
    request = PreviewRequest(**given, pictures=None if zipped else known)
    return client.preview_manifest(manifest.name, manifest.path, request)


def _show(seen: ManifestPreview) -> None:
    parted = "JSON lines" if seen.delimiter is None else f"{_DELIMITERS[seen.delimiter]}s"
    rows = f"{seen.rows:,} {'row' if seen.rows == 1 else 'rows'}"
    out.print(f"{seen.name}: {seen.encoding}, {parted}, {rows}", markup=False, highlight=False)
    columns = Table("column", "becomes", "told by", "filled", "for example")
    for column in seen.columns:
        use = f"{column.use} ({column.kind})" if column.kind else column.use
        cells = (column.name, use, _CHOSEN_BY[column.chosen_by], f"{column.filled:,}")
        columns.add_row(*map(escape, cells), escape(column.problem or ", ".join(column.examples)))
    out.print(columns)
    if seen.refusal:
        err.print(seen.refusal, style="red", markup=False, highlight=False, soft_wrap=True)
        return
    out.print(
        f"{seen.good:,} good ({seen.existing:,} of them in the catalogue already), "
        f"{seen.bad:,} refused."
    )
    if seen.products:
        out.print(_products(seen))
    if seen.problems:
        problems = Table("row", "SKU", "why it would be refused")
        for problem in seen.problems:
            problems.add_row(str(problem.row), escape(problem.sku), escape(problem.sentence))
        out.print(problems)


def _products(seen: ManifestPreview) -> Table:
    table = Table("row", "SKU", "title", "category", "split", "price", "pictures", "attributes")
    for one in seen.products:
        price = "" if one.price is None else f"{one.price} {one.currency}"
        attributes = ", ".join(f"{key}: {value}" for key, value in (one.attributes or {}).items())
        images = ", ".join(PurePosixPath(name).name for name in one.images)
        cells = (one.sku, one.title, one.category, one.split, price, images, attributes)
        table.add_row(str(one.row), *(escape(cell or "") for cell in cells))
    return table


def _show_pictures(pictures: Iterable[PicturePreview], count: int) -> None:
    table = Table("picture", "SKU", "title", "category", "split")
    for one in pictures:
        cells = (one.name, one.sku, one.title, one.category, one.split)
        table.add_row(*(escape(cell or "") for cell in cells))
    out.print(table)
    if count > PICTURES:
        out.print(f"And {count - PICTURES:,} more pictures.")
