"""`akin ingest --preview`: what an import would make of its files, with nothing written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import typer
from pydantic import BaseModel
from rich.markup import escape
from rich.table import Table

from backend.catalogue.naming import kind_of
from backend.catalogue.preview_schemas import (
    ManifestPreview,
    PicturePreview,
    PreviewRequest,
    named_pictures,
)
from backend.catalogue.schemas import ImportCreate, JsonObject, ManifestOptions
from backend.catalogue.sources import Source
from backend.client import AkinClient
from backend.commands.terminal import err, out, print_json

PICTURES = 20
_NAMED = 3
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
_CHOSEN_BY = {"name": "its name", "content": "its content", "you": "you", None: ""}


def preview(
    client: AkinClient, sources: Sequence[Source], request: ImportCreate, *, as_json: bool
) -> None:
    """Show each manifest, or where there is none, what the pictures' names say.

    A zip is opened by the server only, once it has been sent.

    Raises:
        Exit: with 1, where a manifest cannot be read as it is.
    """
    manifests = [source for source in sources if kind_of(source.name) == "manifest"]
    zips = [source.name for source in sources if kind_of(source.name) == "zip"]
    seen = [_seen(client, source, sources, request) for source in manifests]
    names = [source.name for source in sources if kind_of(source.name) == "picture"]
    pictures = [] if manifests else client.preview_pictures(names[:PICTURES])
    if as_json:
        print_json({"manifests": _plain(seen), "pictures": _plain(pictures)})
    else:
        for one in seen:
            _show(one)
        if pictures:
            _show_pictures(pictures, len(names))
    if zips:
        err.print(_unopened(zips), markup=False, highlight=False, soft_wrap=True)
    if any(one.refusal for one in seen):
        raise typer.Exit(1)


def _plain(models: Iterable[BaseModel]) -> list[JsonObject]:
    return [model.model_dump(mode="json") for model in models]


def _unopened(zips: Sequence[str]) -> str:
    shown = ", ".join(zips[:_NAMED])
    more = f" and {len(zips) - _NAMED:,} more" if len(zips) > _NAMED else ""
    return (
        f"What is in {shown}{more} is looked into only when it is imported: unpack it to preview "
        "the folder."
    )


def _seen(
    client: AkinClient, manifest: Source, sources: Sequence[Source], request: ImportCreate
) -> ManifestPreview:
    known = [source.name for source in sources if kind_of(source.name) == "picture"]
    zipped = any(kind_of(source.name) == "zip" for source in sources)
    given = request.model_dump(include={*ManifestOptions.model_fields, "on_conflict"})
    pictures = None if zipped else named_pictures(known)
    asked = PreviewRequest(**given, pictures=pictures)
    return client.preview_manifest(manifest.name, manifest.path, asked)


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
        f"{f'{seen.skipped:,} left as they are, ' if seen.skipped else ''}{seen.bad:,} refused."
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
