"""`akin jobs`: look at jobs and steer them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from backend.client import AkinClient
from backend.commands.exporting import new_file
from backend.commands.importing import report
from backend.commands.sending import watch
from backend.commands.terminal import AsJson, Url, connect, err, out, print_json, progress
from backend.jobs.schemas import JobOut

app = typer.Typer(no_args_is_help=True, help="Look at jobs and steer them.")
JobId = Annotated[str, typer.Argument(help="The job's id.")]


@app.command("list")
def list_jobs(
    state: Annotated[str | None, typer.Option(help="Only jobs in this state.")] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """The newest jobs."""
    with connect(url) as client:
        page = client.jobs(state=state)
    if as_json:
        print_json(page)
        return
    table = Table("id", "kind", "state", "done", "refused", "created")
    for job in page.items:
        total = "?" if job.total is None else job.total
        created = f"{job.created_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(job.id, job.kind, job.state, f"{job.done}/{total}", str(job.failed), created)
    out.print(table)


@app.command()
def show(
    job_id: JobId,
    refusals: Annotated[
        Path | None,
        typer.Option(help="Write what was refused as CSV: mend it, and import it again."),
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """One job and the reasons of its refusals."""
    with connect(url) as client:
        job = client.job(job_id)
        if refusals is not None:
            _write_refusals(client, job, refusals)
        if not as_json:
            _print(job)
        report(client, job, as_json=as_json)


@app.command("watch")
def watch_job(job_id: JobId, as_json: AsJson = False, url: Url = None) -> None:
    """Follow a job until it is finished."""
    with connect(url) as client:
        with progress() as bars:
            job = watch(client, job_id, bars, "Working")
        report(client, job, as_json=as_json)
    if job.state == "failed":
        raise typer.Exit(1)


@app.command()
def cancel(job_id: JobId, as_json: AsJson = False, url: Url = None) -> None:
    """Ask a job to stop; what is done stays."""
    with connect(url) as client:
        _answer(client.cancel_job(job_id), as_json=as_json)


@app.command()
def retry(job_id: JobId, as_json: AsJson = False, url: Url = None) -> None:
    """Queue a failed or cancelled job again."""
    with connect(url) as client:
        _answer(client.retry_job(job_id), as_json=as_json)


def _write_refusals(client: AkinClient, job: JobOut, path: Path) -> None:
    with new_file(path) as file:
        file.writelines(client.job_report(job.id, "failed"))
    err.print(
        f"{job.failed:,} refusals are in {path}: mend them, put the file beside the pictures it "
        f"names, and run akin ingest {path}",
        soft_wrap=True,
        highlight=False,
    )


def _answer(job: JobOut, *, as_json: bool) -> None:
    if as_json:
        print_json(job)
    else:
        _print(job)


def _print(job: JobOut) -> None:
    out.print(f"{job.kind} {job.id}: {job.state}, {job.done} of {job.total or '?'} done.")
