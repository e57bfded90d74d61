"""`akin models`, what is done with the versions of a running server."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Annotated

import typer
from rich.progress import Progress

from backend.client import AkinClient
from backend.commands.terminal import AsJson, Url, connect, err, out, print_json, progress
from backend.errors import AkinError, InvalidInput
from backend.registry.artefacts import LARGEST, pack, unpack
from backend.registry.schemas import (
    PromoteRequest,
    PromotionOut,
    RollbackRequest,
    VersionChange,
    VersionOut,
)

POLL_SECONDS = 1.0

Version = Annotated[str, typer.Argument(help="A version's name or id.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the deployment.")]


def add(
    folder: Annotated[Path, typer.Argument(help="A model's folder, or its zip.")],
    name: Annotated[str | None, typer.Option(help="What the version is called.")] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Make a version of a running server out of a model's folder."""
    with connect(url) as client, NamedTemporaryFile(suffix=".zip") as packed:
        path = folder
        if folder.is_dir():
            pack(folder, packed)
            packed.flush()
            path = Path(packed.name)
        elif not folder.is_file():
            raise InvalidInput(f"There is no {folder}: name a model's folder, or its zip.")
        _tell(client.import_model(path, name), "is a version now", as_json=as_json)


def export(
    version: Version,
    folder: Annotated[Path, typer.Option("--out", help="A new folder.")],
    url: Url = None,
) -> None:
    """Write a version's model into a folder, as `akin train` does."""
    if folder.exists():
        raise InvalidInput(f"{folder} is there already: name a new folder.")
    with connect(url) as client, TemporaryDirectory(dir=folder.absolute().parent) as aside:
        found = client.find_version(version)
        packed = Path(aside) / "packed"
        with packed.open("wb") as file:
            file.writelines(client.export_model(found.id))
        with packed.open("rb") as file:
            unpack(file, Path(aside) / "model", sum(LARGEST.values()))
        (Path(aside) / "model").rename(folder)
    out.print(f"{found.name} is in {folder}.", markup=False, highlight=False, soft_wrap=True)


def promote(
    version: Version,
    reason: Reason = "",
    override: Annotated[
        bool, typer.Option("--override", help="Although the metric gate is not met; say why.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch/--no-watch", help="Wait for its gallery, if it needs one.")
    ] = True,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Let a version answer searches; a new image tower first has to see the catalogue."""
    with connect(url) as client:
        found = client.find_version(version)
        done = client.promote(found.id, PromoteRequest(reason=reason, override=override))
        if done.state == "waiting" and watch:
            with progress() as bars:
                done = _watched(client, done, bars)
    _tell_promotion(done, as_json=as_json)


def rollback(reason: Reason = "", as_json: AsJson = False, url: Url = None) -> None:
    """Let the version answer again that answered before."""
    with connect(url) as client:
        done = client.rollback(RollbackRequest(reason=reason))
    _tell_promotion(done, as_json=as_json)


def withdraw(as_json: AsJson = False, url: Url = None) -> None:
    """Withdraw the promotion that waits for its gallery."""
    with connect(url) as client:
        done = client.withdraw_promotion()
    _tell_promotion(done, as_json=as_json)


def archive(version: Version, as_json: AsJson = False, url: Url = None) -> None:
    """Put a version away: it cannot be promoted until it is restored."""
    _change(version, VersionChange(archived=True), "is archived", url, as_json=as_json)


def restore(version: Version, as_json: AsJson = False, url: Url = None) -> None:
    """Bring an archived version back."""
    _change(version, VersionChange(archived=False), "is ready", url, as_json=as_json)


def rename(
    version: Version,
    name: Annotated[str, typer.Argument(help="The new name.")],
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Call a version by another name."""
    _change(version, VersionChange(name=name), "is its name now", url, as_json=as_json)


def delete(version: Version, url: Url = None) -> None:
    """Delete a version; refused while it is deployed or something needs it."""
    with connect(url) as client:
        found = client.find_version(version)
        client.delete_version(found.id)
    out.print(f"{found.name} is deleted.", markup=False, highlight=False, soft_wrap=True)


def _change(
    version: str, change: VersionChange, told: str, url: str | None, *, as_json: bool
) -> None:
    with connect(url) as client:
        found = client.change_version(client.find_version(version).id, change)
    _tell(found, told, as_json=as_json)


def _watched(client: AkinClient, done: PromotionOut, bars: Progress) -> PromotionOut:
    """How the promotion ended, its gallery shown as it fills."""
    bar = bars.add_task("Seeing the catalogue", total=done.images)
    while done.state == "waiting":
        time.sleep(POLL_SECONDS)
        now = client.promotion()
        if now is None or now.version_id != done.version_id:
            break
        done = now
        bars.update(bar, completed=done.held, total=done.images)
    return done


def _tell(version: VersionOut, told: str, *, as_json: bool) -> None:
    if as_json:
        print_json(version)
    else:
        out.print(f"{version.name} {told}.", markup=False, highlight=False, soft_wrap=True)


def _tell_promotion(done: PromotionOut, *, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    told = {
        "deployed": f"{done.version} answers searches now.",
        "waiting": f"{done.version} takes over once its gallery holds the catalogue "
        f"({done.held:,} of {done.images:,} pictures); job {done.job}.",
        "withdrawn": f"The promotion of {done.version} is withdrawn.",
        "refused": "",
    }
    if done.state == "refused":
        raise AkinError(done.error or f"The promotion of {done.version} was refused.")
    err.print(told[done.state], markup=False, highlight=False, soft_wrap=True)


COMMANDS = (add, export, promote, rollback, withdraw, archive, restore, rename, delete)
