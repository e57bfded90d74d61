"""`akin ingest`: a catalogue in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.markup import escape
from rich.table import Table

from backend.catalogue.schemas import ImportCreate
from backend.catalogue.sources import collect
from backend.client import AkinClient
from backend.commands.previewing import preview as show_preview
from backend.commands.sending import not_searchable, send, watch, watch_embedding
from backend.commands.terminal import AsJson, Url, connect, err, out, print_json, progress
from backend.errors import InvalidInput
from backend.jobs.schemas import JobItemOut, JobOut

REFUSALS = 50
"""How many are shown; a file can hold them all."""
OUTCOMES = ("created", "updated", "unchanged", "skipped", "refused")


def ingest(
    paths: Annotated[
        list[Path], typer.Argument(help="Pictures, folders, zips, CSV or JSONL manifests.")
    ],
    category: Annotated[
        str | None, typer.Option(help="For pictures whose folder says nothing.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="train, val or test, where the folder says nothing.")
    ] = None,
    on_conflict: Annotated[
        str, typer.Option(help="A SKU that exists already: update, skip or error.")
    ] = "update",
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="FIELD=COLUMN of manifests, such as sku=Artikelnummer; `title=` takes none. May "
            "be repeated."
        ),
    ] = None,
    ignore_column: Annotated[
        list[str] | None, typer.Option(help="A column of manifests to leave out.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="Of prices that come without one, such as EUR.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="windows-1252, for manifests that are not UTF-8.")
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show what would come of it; change nothing.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Wait until search can find everything.")] = True,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Bring products into the catalogue of a running server.

    The same content twice changes nothing; what the server has already is not sent again.
    """
    options = _options(column or [], ignore_column or [], currency, encoding)
    request = _request(on_conflict=on_conflict, category=category, split=split, **options)
    sources = collect(paths, request)
    with connect(url) as client:
        if preview:
            show_preview(client, sources, request, as_json=as_json)
            return
        with progress() as bars:
            job = send(client, sources, request, bars)
            if wait:
                job = watch(client, job.id, bars, "Importing")
                watch_embedding(client, bars)
        report(client, job, as_json=as_json)
        waiting = not_searchable(client) if wait else 0
    if waiting:
        err.print(
            f"{waiting} pictures cannot be found yet, since no job embeds them: look at "
            "`akin jobs list` and `akin jobs retry` the one that failed.",
            style="red",
            soft_wrap=True,
        )
    if waiting or job.state == "failed":
        raise typer.Exit(1)


def report(client: AkinClient, job: JobOut, *, as_json: bool) -> None:
    """What became of every file, all refusals with their reasons."""
    if as_json:
        refused = [item.model_dump() for item in refusals(client, job.id)]
        print_json({**job.model_dump(mode="json"), "refused": refused})
        return
    counts = [f"{job.result.get(name, 0)} {name}" for name in OUTCOMES if job.result.get(name)]
    out.print(f"The job is {job.state}: {', '.join(counts) or 'nothing to report'}.")
    if job.error:
        err.print(job.error, style="red", markup=False)
    shown = list(islice(refusals(client, job.id), REFUSALS))
    if shown:
        table = Table("file or row", "why it was refused")
        for item in shown:
            table.add_row(escape(item.name), escape(item.reason or ""))
        out.print(table)
        rest = f"{job.failed - len(shown):,} more were refused. " if job.failed > len(shown) else ""
        err.print(
            f"{rest}To mend them and import them again: akin jobs show {job.id} --refusals "
            "refusals.csv",
            soft_wrap=True,
            highlight=False,
        )


def refusals(client: AkinClient, job_id: str) -> Iterator[JobItemOut]:
    """Every refused line of a job's report."""
    cursor = None
    while True:
        page = client.job_items(job_id, state="failed", cursor=cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def _options(
    columns: Sequence[str], ignored: Sequence[str], currency: str | None, encoding: str | None
) -> dict[str, object]:
    """The options for manifests as `ImportCreate` takes them."""
    chosen: dict[str, list[str]] = {}
    for given in columns:
        field, equals, column = given.partition("=")
        if not equals:
            raise InvalidInput(
                f"--column {given} does not fit: write FIELD=COLUMN such as sku=Artikelnummer."
            )
        chosen.setdefault(field.strip(), []).extend([column.strip()] if column.strip() else [])
    return {
        "columns": chosen,
        "ignored_columns": list(ignored),
        "currency": currency,
        "encoding": {"cp1252": "windows-1252"}.get(encoding or "", encoding),
    }


def _request(**given: object) -> ImportCreate:
    try:
        return ImportCreate.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        option = {"columns": "column", "ignored_columns": "ignore-column"}.get(
            name, name.replace("_", "-")
        )
        raise InvalidInput(f"--{option} does not fit: {first['msg'].lower()}.") from error
