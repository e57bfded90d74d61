"""`akin models measure` and `compare`: finished versions on held-out triplets."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from backend.client import AkinClient
from backend.commands.sending import watch
from backend.commands.terminal import AsJson, Url, connect, err, out, print_json, progress
from backend.commands.training_jobs import figures_table, told_figure
from backend.errors import AkinError
from backend.jobs.schemas import JobOut
from backend.training.measuring_schemas import CompareRequest, Comparison

Version = Annotated[str, typer.Argument(help="A version's name or id.")]


def measure(
    version: Version,
    watching: Annotated[
        bool, typer.Option("--watch", help="Follow it until it is finished.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Measure a version on the catalogue's held-out triplets, beside the active one."""
    with connect(url) as client:
        found = client.find_version(version)
        job = client.measure(found.id)
        if not watching:
            if as_json:
                print_json(job)
            else:
                out.print(f"Follow it with: akin jobs watch {job.id}", soft_wrap=True)
            return
        _ended(client, job)
        found = client.version(found.id)
    if as_json:
        print_json(found)
    else:
        out.print(figures_table(found.figures["held_out"]))


def compare(
    a: Annotated[str, typer.Argument(help="A version's name or id.")],
    b: Annotated[str, typer.Argument(help="The version that is told against it.")],
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Compare two versions over all held-out triplets: wins, losses, and whether it is chance."""
    with connect(url) as client:
        wanted = CompareRequest(a=client.find_version(a).id, b=client.find_version(b).id)
        job = _ended(client, client.compare(wanted))
    found = Comparison.model_validate(job.result)
    if as_json:
        print_json(found)
        return
    metrics = list(found.figures_a)
    table = Table(f"{found.triplets:,} held-out triplets", *metrics)
    for name, figures in ((found.a, found.figures_a), (found.b, found.figures_b)):
        table.add_row(name, *(told_figure(list(figures[metric])) for metric in metrics))
    out.print(table)
    out.print(found.sentence, markup=False, highlight=False, soft_wrap=True)


def _ended(client: AkinClient, job: JobOut) -> JobOut:
    """The job once it is done; raises AkinError if it did not come to that."""
    with progress() as bars:
        job = watch(client, job.id, bars, "Preparing")
    if job.state != "done":
        raise AkinError(job.error or f"The job {job.id} is {job.state}.")
    err.print(f"Job {job.id} is done.", highlight=False)
    return job


COMMANDS = (measure, compare)
