"""An empty installation filled from a backup: all of it, or nothing.

The file is read twice: first every hash is compared, then the parts are written. Rows are committed
last; what was written before goes again if anything fails.
"""

from __future__ import annotations

import hashlib
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from alembic import command
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection, select, update
from sqlalchemy.exc import SQLAlchemyError

from backend.backup.archive import FORMAT, HEAD, MANIFEST, Damaged, Member, Names, members
from backend.backup.rows import AT_ONCE, Loader, holds_rows, without_timeouts
from backend.backup.schemas import BackupHead, BackupManifest
from backend.catalogue.tables import Image
from backend.errors import AkinError, Conflict, InvalidInput, NotFound
from backend.gallery.transfer import import_gallery
from backend.migrating import configuration, migration
from backend.outages import told as outage
from backend.registry.retention import OURS
from backend.registry.tables import Embedding
from backend.runtime import Runtime

Tell = Callable[[str, int, int], None]
"""Told the stage, and how many bytes of how many are done."""

Told = TypeVar("Told", bound=BaseModel)

_NO_SENSE = (KeyError, ValueError, TypeError, AttributeError, struct.error, RecursionError)
"""What rows or points raise that were never written by Akin, though their hashes fit."""


def check_backup(path: Path, tell: Tell) -> tuple[BackupHead, BackupManifest]:
    """Read a backup once and compare every hash; nothing is changed.

    Raises:
        NotFound: without a file.
        InvalidInput: for what is no backup, is damaged or truncated, or of a newer version.
    """
    if not path.is_file():
        raise NotFound(f"There is no backup at {path}: name the file that `akin backup` wrote.")
    hashes: dict[str, str] = {}
    names = {area: Names() for area in ("originals", "artefacts", "staged")}
    head: BackupHead | None = None
    manifest: BackupManifest | None = None
    for one in _told_members(path, "Checking", tell):
        if manifest is not None or (head is None) != (one.name == HEAD):
            raise Damaged(path, f"its part {one.name} is not where it belongs")
        if one.name == HEAD:
            head = _parsed(path, BackupHead, one)
            _check_version(path, head)
        elif one.name == MANIFEST:
            manifest = _parsed(path, BackupManifest, one)
        elif one.is_blob:
            _check_blob(path, one)
            names[one.name.partition("/")[0]].add(one.name)
        elif hashes.setdefault(one.name, digest := _hash(one)) != digest:
            raise Damaged(path, f"it holds {one.name} twice")
    blobs = {area: found.told() for area, found in names.items()}
    if head is None or manifest is None or hashes != manifest.pieces or blobs != manifest.blobs:
        raise Damaged(path, "its parts are not those that its manifest names")
    return head, manifest


def read_manifest(path: Path) -> BackupManifest:
    """What a backup says at its end, without reading what is before; raises as `check_backup`."""
    with path.open("rb") as file:
        for one in members(path, file):
            if one.name == MANIFEST:
                return _parsed(path, BackupManifest, one)
            one.pass_over()
    raise Damaged(path, "it has no manifest")


def restore(
    runtime: Runtime, path: Path, head: BackupHead, manifest: BackupManifest, tell: Tell
) -> None:
    """Fill an installation from a backup that was checked, and bring its tables to this version.

    Raises:
        Conflict: where the installation holds anything.
        InvalidInput: for rows or points that do not fit.
        Unavailable: for a database that is full, locked or gone.
    """
    with ExitStack() as undo:
        try:
            with migration(runtime.database) as connection:
                _make_tables(connection, head.revision)
                written = _Writing(runtime, path, connection, undo)
                for one in _told_members(path, "Restoring", tell):
                    written.take(one)
                written.finish(manifest)
                command.upgrade(configuration(connection), "head")
                _mark_touched(connection, manifest.touched)
        except _NO_SENSE as error:
            raise Damaged(path, f"its rows or points make no sense: {error!r:.100}") from error
        except SQLAlchemyError as error:
            failure = outage(error)
            if failure is None or isinstance(failure, InvalidInput):
                raise Damaged(path, f"its rows do not fit the tables: {error!r:.100}") from error
            raise failure from error
        undo.pop_all()


def _told_members(path: Path, stage: str, tell: Tell) -> Iterator[Member]:
    total = path.stat().st_size
    with path.open("rb") as file:
        for one in members(path, file):
            yield one
            tell(stage, file.tell(), total)
    tell(stage, total, total)


def _parsed(path: Path, kind: type[Told], one: Member) -> Told:
    try:
        return kind.model_validate_json(one.read())
    except ValidationError as error:
        raise Damaged(path, f"its {one.name} cannot be read") from error


def _check_version(path: Path, head: BackupHead) -> None:
    script = ScriptDirectory.from_config(configuration())
    known = {entry.revision for entry in script.walk_revisions()}
    if head.format > FORMAT or head.revision not in known:
        raise InvalidInput(
            f"{path} was written by a newer version of Akin ({head.akin}, tables "
            f"{head.revision[:40]!r}): install that version to restore it."
        )


def _hash(one: Member) -> str:
    digest = hashlib.sha256()
    for chunk in one.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def _check_blob(path: Path, one: Member) -> None:
    if _hash(one) != one.name.partition("/")[2]:
        raise Damaged(path, f"the bytes of {one.name} are others")


def _make_tables(connection: Connection, revision: str) -> None:
    """Empty tables of the backup's revision."""
    without_timeouts(connection)
    filled = holds_rows(connection)
    if filled is not None:
        raise Conflict(
            f"This installation holds data already (in {filled}), and a backup is restored into an "
            "empty one only: name another folder with --home or another database, or empty this "
            "one with `akin reset`."
        )
    current = MigrationContext.configure(connection).get_current_revision()
    if current not in {None, revision}:
        command.downgrade(configuration(connection), "base")
    command.upgrade(configuration(connection), revision)


def _mark_touched(connection: Connection, product_ids: list[str] | None) -> None:
    stale = update(Embedding).values(image_revision=0)
    if product_ids is None:
        connection.execute(stale)
        return
    for start in range(0, len(product_ids), AT_ONCE):
        some = product_ids[start : start + AT_ONCE]
        images = select(Image.id).where(Image.product_id.in_(some))
        connection.execute(stale.where(Embedding.image_id.in_(images)))


class _Writing:
    """Takes the parts of a backup in their order; `undo` is told how to take each back."""

    def __init__(
        self, runtime: Runtime, path: Path, connection: Connection, undo: ExitStack
    ) -> None:
        self._runtime = runtime
        self._path = path
        self._undo = undo
        self._loader = Loader(connection)
        self._rows: dict[str, int] = {}
        self._points: dict[str, int] = {}
        self._gallery: tuple[str, BinaryIO] | None = None

    def take(self, one: Member) -> None:
        """Write one part."""
        kind, _, rest = one.name.partition("/")
        if one.is_blob:
            if self._runtime.blobs.keep(kind, rest, one.chunks()):  # type: ignore[arg-type]
                self._undo.callback(_quietly, self._runtime.blobs.discard, kind, rest)
        elif kind == "tables":
            name = rest.partition("/")[0]
            self._rows[name] = self._rows.get(name, 0) + self._loader.add(name, one.read())
        elif kind == "galleries":
            self._spool(rest.partition("/")[0], one)

    def finish(self, manifest: BackupManifest) -> None:
        """Write what was collected, and see that everything came."""
        self._end_gallery()
        self._loader.number_on()
        rows = {name: count for name, count in manifest.rows.items() if count}
        if self._rows != rows or self._points != manifest.points:
            raise Damaged(self._path, "its rows or points are not as many as its manifest says")

    def _spool(self, name: str, one: Member) -> None:
        if self._gallery is None or self._gallery[0] != name:
            self._end_gallery()
            file = tempfile.NamedTemporaryFile(prefix="akin-gallery-")  # noqa: SIM115
            self._undo.callback(file.close)
            self._gallery = name, file  # type: ignore[assignment]
        for chunk in one.chunks():
            self._gallery[1].write(chunk)  # type: ignore[index]

    def _end_gallery(self) -> None:
        if self._gallery is None:
            return
        name, file = self._gallery
        self._gallery = None
        file.flush()
        store = self._runtime.galleries
        if OURS.fullmatch(name) and name in store.names():
            store.drop(name)  # of a lost database: without a row it is nobody's
        try:
            gallery = import_gallery(Path(file.name), store, name)
        except InvalidInput as error:
            raise Damaged(self._path, f"its gallery {name} cannot be read") from error
        self._undo.callback(_quietly, store.drop, name)
        self._points[name] = gallery.count()
        file.close()


def _quietly(undo: Callable[..., None], *what: str) -> None:
    """What failed before may fail again, and is what is to be told."""
    with suppress(AkinError, OSError):
        undo(*what)
