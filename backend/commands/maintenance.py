"""`akin doctor` and `akin reset`: is everything in order, and starting over."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, TaskID

from backend.agreement import Reconcile, compare
from backend.commands.terminal import AsJson, Url, err, out, print_json, progress
from backend.data_folder import hold
from backend.errors import InvalidInput, NotFound
from backend.jobs.schemas import ReconcileRequest
from backend.settings import read_settings

if TYPE_CHECKING:
    from backend.diagnosis.finding import Finding

OURS = ("akin.sqlite3", "akin.sqlite3-wal", "akin.sqlite3-shm", "blobs", "galleries", "wardrobe")

Home = Annotated[Path | None, typer.Option("--home", help="The data folder.")]


def doctor_command(reconcile: Reconcile) -> Callable[..., None]:
    """The command, with what compares SQL, blobs and galleries where no server does."""

    def doctor(
        home: Home = None,
        repair: Annotated[
            bool, typer.Option("--repair", help="Mend what SQL, blobs and galleries differ in.")
        ] = False,
        deep: Annotated[
            bool, typer.Option("--deep", help="Read every picture and vector; takes long.")
        ] = False,
        as_json: AsJson = False,
        url: Url = None,
    ) -> None:
        """Check every part of the setup and say what to do about what is wrong."""
        from backend.diagnosis.comparing import agreement
        from backend.diagnosis.examining import examine  # loads every part, torch included

        settings = read_settings(home=home)
        findings: list[Finding] = []
        for finding in examine(settings):
            _show(finding, as_json=as_json, into=findings)
        request = ReconcileRequest(mend=repair, deep=deep)
        with progress() as bars:
            step = partial(_step, bars, bars.add_task("Comparing", total=None, visible=False))
            where = url or settings.api_url
            found = partial(compare, settings, where, request, reconcile, step)
            finding = agreement(found, mended=repair)
        _show(finding, as_json=as_json, into=findings)
        if as_json:
            print_json([finding.as_dict() for finding in findings])
        if not all(finding.good for finding in findings):
            raise typer.Exit(1)

    return doctor


def _show(finding: Finding, *, as_json: bool, into: list[Finding]) -> None:
    into.append(finding)
    if as_json:
        return
    mark = "[green]ok  [/green]" if finding.good else "[red]fail[/red]"
    if finding.doubtful:
        mark = "[yellow]warn[/yellow]"
    out.print(f"{mark} {finding.part:<11}", end="")
    out.print(finding.sentence, markup=False, highlight=False)
    for detail in finding.details:
        out.print(f"{'':16}{detail}", markup=False, highlight=False)


def _step(bars: Progress, bar: TaskID, stage: str, done: int, total: int | None) -> None:
    bars.update(bar, description=stage.capitalize(), completed=done, total=total, visible=True)


def reset(
    home: Home = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete an embedded installation's catalogue, jobs and galleries."""
    settings = read_settings(home=home)
    if settings.database_url or settings.blob_url or settings.gallery_url != "edge":
        raise InvalidInput(
            "akin reset empties a data folder only, and the settings name services of their own: "
            "unset AKIN_DATABASE_URL, AKIN_GALLERY_URL and AKIN_BLOB_URL, or empty those there."
        )
    folder = settings.home
    there = [folder / name for name in OURS if (folder / name).exists()]
    if not there:
        raise NotFound(f"There is no Akin data in {folder}: name its folder with --home.")
    if not yes and not typer.confirm(f"Delete the catalogue and all jobs in {folder}?"):
        err.print("Nothing was deleted.")
        raise typer.Exit(1)
    with hold(folder):
        for path in there:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    err.print(f"{folder} is empty again.")
