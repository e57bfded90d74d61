"""`akin doctor` and `akin reset`: is everything in order, and starting over."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from backend.commands.terminal import AsJson, err, out, print_json
from backend.data_folder import hold
from backend.errors import InvalidInput, NotFound
from backend.settings import read_settings

OURS = ("akin.sqlite3", "akin.sqlite3-wal", "akin.sqlite3-shm", "blobs", "galleries", "wardrobe")

Home = Annotated[Path | None, typer.Option("--home", help="The data folder.")]


def doctor(home: Home = None, as_json: AsJson = False) -> None:
    """Check every part of the setup and say what to do about what is wrong."""
    from backend.diagnosis import examine  # loads every part, torch included

    settings = read_settings(home=home)
    findings = examine(settings)
    if as_json:
        print_json([finding.as_dict() for finding in findings])
    else:
        for finding in findings:
            mark = "[green]ok  [/green]" if finding.good else "[red]fail[/red]"
            out.print(f"{mark} {finding.part:<11}", end="")
            out.print(finding.sentence, markup=False, highlight=False)
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


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
