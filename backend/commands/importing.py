"""`akin ingest` and `akin export`: a catalogue in, a catalogue out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.table import Table

from backend.catalogue.schemas import FileClaim, ImportCreate
from backend.catalogue.sources import Source, collect, sha256_of
from backend.client import AkinClient
from backend.commands.terminal import AsJson, Url, connect, err, out, print_json, progress
from backend.errors import InvalidInput
from backend.jobs.schemas import JobItemOut, JobOut

CLAIMS = 1000
POLL_SECONDS = 0.3
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
    wait: Annotated[bool, typer.Option(help="Wait until search can find everything.")] = True,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Bring products into the catalogue of a running server.

    The same content twice changes nothing; what the server has already is not sent again.
    """
    request = _request(on_conflict=on_conflict, category=category, split=split)
    sources = collect(paths)
    with connect(url) as client:
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


def send(
    client: AkinClient, sources: Sequence[Source], request: ImportCreate, bars: Progress
) -> JobOut:
    """Open an import, send the files the server lacks, and start it."""
    job = client.open_import(request)
    reading = bars.add_task("Reading files", total=len(sources))
    missing: set[str] = set()
    paths: dict[str, Path] = {}
    for start in range(0, len(sources), CLAIMS):
        claims = []
        for source in sources[start : start + CLAIMS]:
            sha256 = sha256_of(source.path)
            paths[sha256] = source.path
            claims.append(FileClaim(name=source.name, sha256=sha256, size=source.size))
            bars.advance(reading)
        missing.update(client.claim_files(job.id, claims))
    sending = bars.add_task("Sending what is new", total=len(missing))
    for sha256 in sorted(missing):
        client.send_file(job.id, sha256, paths[sha256])
        bars.advance(sending)
    return client.start_import(job.id)


def watch(client: AkinClient, job_id: str, bars: Progress, label: str) -> JobOut:
    """Show a job's progress until it is finished."""
    bar: TaskID = bars.add_task(label, total=None)
    while True:
        job = client.job(job_id)
        bars.update(bar, completed=job.done, total=job.total)
        if job.finished:
            return job
        time.sleep(POLL_SECONDS)


def watch_embedding(client: AkinClient, bars: Progress) -> None:
    """Show how many images search can find, until it can find all, or no job works on it."""
    bar = bars.add_task("Embedding", total=None)
    while True:
        summary = client.summary()
        settled = summary.embedded + summary.unreadable
        bars.update(bar, completed=settled, total=summary.images)
        if settled >= summary.images or not _embedding(client):
            return
        time.sleep(POLL_SECONDS)


def not_searchable(client: AkinClient) -> int:
    """How many images search cannot find, although they can be encoded."""
    summary = client.summary()
    return summary.images - summary.embedded - summary.unreadable


def report(client: AkinClient, job: JobOut, *, as_json: bool) -> None:
    """What became of every file, all refusals with their reasons."""
    refused = list(refusals(client, job.id))
    if as_json:
        print_json({**job.model_dump(mode="json"), "refused": [i.model_dump() for i in refused]})
        return
    counts = [f"{job.result.get(name, 0)} {name}" for name in OUTCOMES if job.result.get(name)]
    out.print(f"The job is {job.state}: {', '.join(counts) or 'nothing to report'}.")
    if job.error:
        err.print(job.error, style="red", markup=False)
    if refused:
        table = Table("file or row", "why it was refused")
        for item in refused:
            table.add_row(escape(item.name), escape(item.reason or ""))
        out.print(table)


def refusals(client: AkinClient, job_id: str) -> Iterator[JobItemOut]:
    """Every refused line of a job's report."""
    cursor = None
    while True:
        page = client.job_items(job_id, state="failed", cursor=cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def export(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    url: Url = None,
) -> None:
    """Write the catalogue as a folder: products.jsonl and its images. `akin ingest` reads it."""
    _make_empty(folder)
    with connect(url) as client, progress() as bars:
        bar = bars.add_task("Exporting", total=client.summary().products)
        with (folder / "products.jsonl").open("w", encoding="utf-8") as manifest:
            for line in client.export_products():
                manifest.write(line + "\n")
                for name in json.loads(line)["images"]:
                    sha256 = Path(name).stem
                    (folder / name).write_bytes(client.blob(sha256))
                bars.advance(bar)
    out.print(f"The catalogue is in {folder}: bring it back with akin ingest {folder}")


def _embedding(client: AkinClient) -> bool:
    states = ("queued", "running")
    return any(
        job.kind == "embed" for state in states for job in client.jobs(state=state, limit=50).items
    )


def _make_empty(folder: Path) -> None:
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InvalidInput(f"{folder} exists and is not an empty folder: name a new one.")
        (folder / "images").mkdir(parents=True)
    except OSError as error:
        raise InvalidInput(
            f"{folder} cannot be made ({(error.strerror or '').lower()}): name another folder."
        ) from error


def _request(**given: str | None) -> ImportCreate:
    try:
        return ImportCreate.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise InvalidInput(f"--{option} does not fit: {first['msg'].lower()}.") from error
