"""`akin backup` and `akin restore`: an installation as one file, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer
from rich.filesize import decimal
from rich.progress import Progress, TaskID

from backend.agreement import Reconcile
from backend.commands.exporting import new_file
from backend.commands.terminal import Url, connect, err, out, progress
from backend.data_folder import InUse, hold
from backend.errors import AkinError, SetupError
from backend.jobs.schemas import ReconcileRequest
from backend.settings import Settings, read_settings

if TYPE_CHECKING:
    from backend.backup.schemas import BackupManifest
    from backend.runtime import Runtime

Home = Annotated[Path | None, typer.Option("--home", help="The data folder.")]


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")],
    home: Home = None,
    url: Url = None,
) -> None:
    """Write the whole installation to one file, while it is in use or while it is stopped."""
    settings = read_settings(home=home)
    with new_file(target) as file:
        if url is None and settings.embedded:
            _embedded(settings, file)
        elif not _from_server(url or settings.api_url, file):
            if url is not None:
                raise SetupError(f"No server answers at {url}: start it, or leave --url away.")
            _from_here(settings, file)
    told = _told(target)
    out.print(told, markup=False, highlight=False, soft_wrap=True)


def _told(target: Path) -> str:
    """What the new file holds, and of how much the server had nothing left to give."""
    from backend.backup.restoring import read_manifest  # slow: only when used

    size = decimal(target.stat().st_size)
    missing = read_manifest(target).lost
    if not missing:
        return f"{target} holds it all ({size})."
    return (
        f"{target} ({size}) holds all but {_files(missing)}, gone or damaged where they were "
        "stored: `akin doctor` says which."
    )


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _embedded(settings: Settings, file: BinaryIO) -> None:
    """What holds the data folder makes it: the server that runs, or else this process."""
    try:
        with hold(settings.home):
            _from_here(settings, file)
    except InUse as error:
        if not _from_server(settings.api_url, file):
            raise SetupError(
                f"{error.sentence.split(':')[0]}, and no server answers at {settings.api_url}: "
                "name its address with --url."
            ) from error


def _from_server(url: str, file: BinaryIO) -> bool:
    """Have the server make it; False where none answers."""
    with connect(url) as client, _bar("Saving") as (bars, bar):
        if not client.alive():
            return False
        for chunk in client.backup(partial(_expect, bars, bar)):
            file.write(chunk)
            bars.advance(bar, len(chunk))
        _full(bars, bar)
    return True


def _from_here(settings: Settings, file: BinaryIO) -> None:
    from backend.accounts.roles import LOCAL_ADMIN
    from backend.backup.making import expected_bytes, make_backup  # slow: only when used
    from backend.backup.noting import note_taken
    from backend.runtime import open_runtime

    with closing(open_runtime(settings)) as runtime, _bar("Saving") as (bars, bar):
        chunks = make_backup(runtime)
        file.write(next(chunks))
        size = expected_bytes(runtime)
        with runtime.database.write() as session:
            note_taken(session, LOCAL_ADMIN.name, size)
        _expect(bars, bar, size)
        for chunk in chunks:
            file.write(chunk)
            bars.advance(bar, len(chunk))
        _full(bars, bar)


def restore_command(reconcile: Reconcile) -> Callable[..., None]:
    """The command, with what compares SQL, blobs and galleries afterwards."""

    def restore(
        source: Annotated[Path, typer.Argument(metavar="FILE", help="What `akin backup` wrote.")],
        home: Home = None,
    ) -> None:
        """Fill an empty installation from a backup; no server may run on it."""
        from backend.backup import restoring  # slow: only when used

        settings = read_settings(home=home)
        with progress() as bars:
            tell = _stages(bars)
            head, manifest = restoring.check_backup(source, tell)
            with hold(settings.home), closing(_opened(settings)) as runtime:
                restoring.restore(runtime, source, head, manifest, tell)
                remarks = _compared(runtime, reconcile)
        rows = manifest.rows
        counts = f"{rows.get('products', 0):,} products with {rows.get('images', 0):,} images"
        out.print(f"Restored: {counts}. Start it with akin up.", highlight=False)
        for sentence in (*_lost(manifest), *remarks):
            err.print(sentence, style="yellow", markup=False, highlight=False)

    return restore


def _lost(manifest: BackupManifest) -> tuple[str, ...]:
    count = manifest.lost
    told = f"{_files(count)} had been gone or damaged when this backup was made and did not come."
    return (f"{told} `akin doctor` says which pictures these are.",) if count else ()


def _compared(runtime: Runtime, reconcile: Reconcile) -> tuple[str, ...]:
    """What points newer than their rows were mended; everything is restored by now."""
    from backend.outages import OUTAGES  # slow: only when used
    from backend.outages import told as outage

    request = ReconcileRequest(mend=True)
    try:
        found = reconcile(runtime, request, runtime.settings.embedded, lambda *_: None)
    except (AkinError, *OUTAGES) as error:
        failure = error if isinstance(error, AkinError) else outage(error)
        told = failure.sentence if failure else f"Its parts were not compared ({error!r:.100})."
        return (f"{told} All is restored; then run `akin doctor --repair`.",)
    return found.sentences


def _opened(settings: Settings) -> Runtime:
    from backend.runtime import open_runtime

    return open_runtime(settings)


@contextmanager
def _bar(name: str) -> Iterator[tuple[Progress, TaskID]]:
    with progress() as bars:
        yield bars, bars.add_task(name, total=None, size=True)


def _expect(bars: Progress, bar: TaskID, size: int) -> None:
    bars.update(bar, total=size or None)


def _full(bars: Progress, bar: TaskID) -> None:
    """What was told before was about so much."""
    bars.update(bar, total=next(one for one in bars.tasks if one.id == bar).completed)


def _stages(bars: Progress) -> Callable[[str, int, int], None]:
    tasks: dict[str, TaskID] = {}

    def tell(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = bars.add_task(stage, total=total, size=True)
        bars.update(tasks[stage], completed=done)

    return tell
