"""`akin triplets`: what shoppers said and files brought, reviewed from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import ValidationError

from backend.client import AkinClient
from backend.commands.exporting import new_file
from backend.commands.sending import watch
from backend.commands.terminal import AsJson, Url, connect, err, out, print_json, progress
from backend.errors import InvalidInput, NotFound
from backend.feedback.schemas import (
    MOST_REVIEWED,
    HoldOut,
    PictureNames,
    ReviewRequest,
    ReviewResult,
    TripletFilter,
    TripletFormat,
    TripletImport,
    TripletOrder,
    TripletSource,
    TripletSplit,
    TripletState,
)

app = typer.Typer(no_args_is_help=True, help="Triplets: feedback and files, before a training.")

Ids = Annotated[list[str] | None, typer.Argument(help="Triplets by id.")]
Above = Annotated[float | None, typer.Option("--above", min=0, max=1, help="Or from a score on.")]
Below = Annotated[float | None, typer.Option("--below", min=0, max=1, help="Or below a score.")]
Source = Annotated[TripletSource | None, typer.Option(help="feedback, import or spn-positives.")]


@app.command("list")
def list_triplets(
    state: Annotated[
        TripletState | None, typer.Option(help="candidate, accepted or rejected.")
    ] = None,
    source: Source = None,
    split: Annotated[TripletSplit | None, typer.Option(help="train, val, test or mixed.")] = None,
    order: Annotated[TripletOrder, typer.Option(help="newest, best or worst.")] = "newest",
    count: Annotated[int, typer.Option("-k", "--count", min=1, max=200, help="How many.")] = 20,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """The triplets of a running server."""
    with connect(url) as client:
        wanted = TripletFilter(state=state, source=source, split=split)
        page = client.triplets(wanted, order=order, limit=count)
    if as_json:
        print_json(page)
        return
    for one in page.items:
        score = "    " if one.score is None else f"{one.score:.2f}"
        words = one.caption if one.is_target else f"not: {one.caption}"
        sides = f"{one.reference.sku or 'a picture'} -> {one.target.sku}"
        line = f"{one.id} {one.state:<9} {score} {one.split:<5} {sides}: {words}"
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    err.print(f"{len(page.items):,} of {page.total:,}.", highlight=False)


@app.command("import")
def import_file(
    path: Annotated[Path, typer.Argument(help="FashionIQ's or CIRR's JSON, or triplets.jsonl.")],
    source: Annotated[
        Literal["import", "spn-positives"], typer.Option(help="What made the file.")
    ] = "import",
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Bring in a file of triplets as candidates; rows that name unknown pictures are refused."""
    if not path.is_file():
        raise NotFound(f"There is no file at {path}: check the path.")
    with connect(url) as client:
        told = client.import_triplets(path.name, path.read_bytes(), source)
    if as_json:
        print_json(told)
    else:
        _tell_import(told)
    if told.refused:
        raise typer.Exit(1)


@app.command("export")
def export_file(
    path: Annotated[Path, typer.Argument(help="A new file.")],
    form: Annotated[
        TripletFormat, typer.Option("--format", help="fashioniq, cirr or akin.")
    ] = "akin",
    split: Annotated[
        Literal["train", "val", "test"] | None, typer.Option(help="All but mixed ones without it.")
    ] = None,
    names: Annotated[
        PictureNames, typer.Option(help="Pictures by sku, or by image: as an export's files.")
    ] = "sku",
    url: Url = None,
) -> None:
    """Write the accepted triplets."""
    with new_file(path) as file, connect(url) as client:
        for chunk in client.export_triplets(form, split, names):
            file.write(chunk)
    out.print(f"The triplets are in {path}.", markup=False, highlight=False, soft_wrap=True)


@app.command()
def accept(
    ids: Ids = None,
    above: Above = None,
    below: Below = None,
    source: Source = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Accept triplets: those named, or candidates by their score."""
    _review("accepted", ids, _filter(above, below, source), url, as_json=as_json)


@app.command()
def reject(
    ids: Ids = None,
    above: Above = None,
    below: Below = None,
    source: Source = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Reject triplets: those named, or candidates by their score."""
    _review("rejected", ids, _filter(above, below, source), url, as_json=as_json)


@app.command()
def score(as_json: AsJson = False, url: Url = None) -> None:
    """Say of every candidate how consistent it is."""
    with connect(url) as client:
        job = client.score_triplets()
        with progress() as bars:
            job = watch(client, job.id, bars, "Scoring")
    if as_json:
        print_json(job)
    elif job.state == "done":
        scored, skipped = job.result["scored"], job.result["skipped"]
        rest = f"; {skipped:,} have a picture that search cannot find yet" if skipped else ""
        out.print(f"{scored:,} candidates are scored{rest}.", highlight=False)
    if job.state != "done":
        err.print(job.error or f"The job is {job.state}.", style="red", markup=False)
        raise typer.Exit(1)


@app.command("hold-out")
def hold_out(
    split: Annotated[Literal["val", "test"], typer.Option(help="val or test.")] = "val",
    share: Annotated[
        float, typer.Option(min=0.001, max=0.9, help="Of the accepted triplets.")
    ] = 0.2,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Move products out of training, together with all that accepted triplets join to them."""
    with connect(url) as client:
        told = client.hold_out(HoldOut(split=split, share=share))
    if as_json:
        print_json(told)
        return
    out.print(
        f"{told.products:,} products moved: {told.triplets:,} of {told.accepted:,} accepted "
        f"triplets are in {split}.",
        highlight=False,
        soft_wrap=True,
    )


def _filter(
    above: float | None, below: float | None, source: TripletSource | None
) -> TripletFilter | None:
    if above is None and below is None and source is None:
        return None
    return TripletFilter(score_at_least=above, score_below=below, source=source)


def _review(
    state: TripletState,
    ids: list[str] | None,
    wanted: TripletFilter | None,
    url: str | None,
    *,
    as_json: bool,
) -> None:
    if (not ids) == (wanted is None):
        raise InvalidInput("Name triplets by their ids, or give --above, --below or --source.")
    with connect(url) as client:
        done = (
            _by_ids(client, state, ids)
            if ids
            else client.review_triplets(ReviewRequest(state=state, filter=wanted, limit=10_000))
        )
    if as_json:
        print_json(done)
        return
    left = f"; {done.left:,} more match: run it again" if done.left else ""
    out.print(f"{done.changed:,} triplets {state}{left}.", highlight=False)


def _by_ids(client: AkinClient, state: TripletState, ids: Sequence[str]) -> ReviewResult:
    changed = 0
    for start in range(0, len(ids), MOST_REVIEWED):
        try:
            asked = ReviewRequest(state=state, ids=list(ids[start : start + MOST_REVIEWED]))
        except ValidationError as error:
            raise InvalidInput("One of the ids is no id: `akin triplets list` shows them.") from (
                error
            )
        changed += client.review_triplets(asked).changed
    return ReviewResult(changed=changed, left=0)


def _tell_import(told: TripletImport) -> None:
    out.print(
        f"{told.rows:,} rows in the format {told.format}: {told.created:,} new candidates, "
        f"{told.unchanged:,} there already, {told.refused:,} rows refused.",
        highlight=False,
        soft_wrap=True,
    )
    for one in told.refusals:
        err.print(f"row {one.row}: {one.reason}", markup=False, highlight=False, soft_wrap=True)
    if told.refused > len(told.refusals):
        err.print(f"and {told.refused - len(told.refusals):,} more.", highlight=False)
