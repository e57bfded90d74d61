"""The bytes of a backup, made while the installation is in use.

All rows are of one moment, since one read transaction reads them. Blobs never change, so those that
these rows name are copied afterwards; one that was deleted meanwhile is noted as missing. The files
of imports come first, since an import that goes on throws them away. Galleries come last: which
products were changed since the rows were read is noted, so that a restore brings their points in
line.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import IO, BinaryIO

from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, select

from backend import VERSION, clock
from backend.backup.archive import (
    BLOB_AREAS,
    FORMAT,
    HEAD,
    MANIFEST,
    PIECE_BYTES,
    BlobArea,
    Names,
    end,
    member,
)
from backend.backup.rows import LEFT_OUT, pieces, snapshot, tables_of
from backend.backup.schemas import MOST_NAMED, BackupHead, BackupManifest
from backend.blobs import BlobStore
from backend.catalogue.tables import Blob, Product
from backend.database import take_as_long_as_needed
from backend.errors import AkinError, NotFound, Unavailable
from backend.gallery.transfer import packed_gallery
from backend.jobs.tables import ImportFile, Job
from backend.migrating import check
from backend.registry.tables import Embedding, GalleryRow, ModelVersion
from backend.runtime import Runtime

_CHUNK = 1 << 20
_POINT_BYTES = 400  # of a payload, about
_CLOCKS_APART = timedelta(minutes=5)
"""How far the clocks of machines that write may differ."""
_RELEASED = ("done", "cancelled")
"""States of jobs whose files are thrown away; a failed import may be retried, with its files."""


def expected_bytes(runtime: Runtime) -> int:
    """About how large a backup will be: for a progress bar."""
    with runtime.database.read() as session:
        take_as_long_as_needed(session)
        blobs = session.scalar(select(func.sum(Blob.size))) or 0
        points = select(func.sum(GalleryRow.dim * 4 + _POINT_BYTES)).join(
            Embedding, Embedding.gallery_id == GalleryRow.id
        )
        return int(blobs) + int(session.scalar(points) or 0)


def make_backup(runtime: Runtime) -> Iterator[bytes]:
    """The file of a backup, some bytes at a time.

    Raises:
        SetupError: for tables of another version.
        Unavailable: where a part cannot be reached, or no picture at all is stored though the
            rows name some; the latter before the first bytes.
    """
    check(runtime.database)
    begun = clock.now()
    told = BackupManifest()
    with tempfile.TemporaryFile() as names:
        with snapshot(runtime.database) as connection:
            _check_pictures(connection, runtime.blobs)
            yield from _head(connection, begun)
            yield from _tables(connection, told)
            _name_blobs(connection, names)
            galleries = list(connection.scalars(select(GalleryRow.id).order_by(GalleryRow.id)))
        names.seek(0)
        yield from _blobs(runtime.blobs, names, told)
    for gallery_id in galleries:
        yield from _gallery(runtime, gallery_id, told)
    told.touched = _touched(runtime, begun)
    yield from _json_member(MANIFEST, told.model_dump_json().encode())
    yield end()


def _head(connection: Connection, begun: datetime) -> Iterator[bytes]:
    head = BackupHead(
        format=FORMAT,
        akin=VERSION,
        revision=MigrationContext.configure(connection).get_current_revision() or "",
        created_at=begun.astimezone(UTC),
    )
    yield from _json_member(HEAD, head.model_dump_json().encode())


def _json_member(name: str, data: bytes) -> Iterator[bytes]:
    yield b"".join(member(name, len(data), [data]))


def _piece(folder: str, number: int, data: bytes, told: BackupManifest) -> bytes:
    name = f"{folder}/{number:08}"
    told.pieces[name] = hashlib.sha256(data).hexdigest()
    return b"".join(member(name, len(data), [data]))


def _tables(connection: Connection, told: BackupManifest) -> Iterator[bytes]:
    for table in tables_of(connection):
        if table.name in LEFT_OUT:
            continue
        told.rows[table.name] = 0
        for number, (data, count) in enumerate(pieces(connection, table), 1):
            told.rows[table.name] += count
            yield _piece(f"tables/{table.name}", number, data, told)


def _check_pictures(connection: Connection, blobs: BlobStore) -> None:
    """An empty folder is likelier not mounted than all that is left."""
    if connection.scalar(select(Blob.sha256).limit(1)) is None:
        return
    if next(blobs.files("originals"), None) is None:
        raise Unavailable(
            "None of the stored pictures is there: see that the folder or bucket of AKIN_BLOB_URL "
            "is, then make the backup again."
        )


def _name_blobs(connection: Connection, names: IO[bytes]) -> None:
    """A line for each: there may be too many to keep in memory, or the snapshot open for."""
    needed = select(Job.id).where(Job.state.not_in(_RELEASED))
    files = select(ImportFile.sha256).where(ImportFile.job_id.in_(needed), ImportFile.received)
    models = select(ModelVersion.artefact).where(ModelVersion.artefact.is_not(None))
    asked = {
        "staged": files.distinct().order_by(ImportFile.sha256),
        "originals": select(Blob.sha256).order_by(Blob.sha256),
        "artefacts": models.distinct().order_by(ModelVersion.artefact),
    }
    for area, query in asked.items():
        found = connection.execute(query, execution_options={"yield_per": 1000})
        names.writelines(f"{area}/{sha256}\n".encode() for (sha256,) in found)


def _blobs(blobs: BlobStore, names: IO[bytes], told: BackupManifest) -> Iterator[bytes]:
    passed = {area: Names() for area in BLOB_AREAS}
    for line in names:
        name = line.decode().strip()
        area, _, sha256 = name.partition("/")
        file = _found(blobs, area, sha256)  # type: ignore[arg-type]
        if file is None:
            told.missing_in_all += 1
            if told.missing_in_all <= MOST_NAMED:
                told.missing.append(name)
            continue
        with file:
            size = file.seek(0, 2)
            file.seek(0)
            yield from member(name, size, _chunks(file))
        passed[area].add(name)  # type: ignore[index]
    told.blobs = {area: one.told() for area, one in passed.items()}


def _found(blobs: BlobStore, area: BlobArea, sha256: str) -> BinaryIO | None:
    """A stored file, unless it is gone or damaged.

    A picture that an import has taken in since the rows were read is an original by now, of the
    same bytes; of a zip nothing is left.
    """
    found = _whole(blobs, area, sha256)
    return _whole(blobs, "originals", sha256) if found is None and area == "staged" else found


def _whole(blobs: BlobStore, area: BlobArea, sha256: str) -> BinaryIO | None:
    digest = hashlib.sha256()
    with ExitStack() as unless_whole:
        try:
            file = blobs.open(area, sha256)
            if file is None:
                return None
            unless_whole.callback(file.close)
            for chunk in _chunks(file):
                digest.update(chunk)
        except OSError as error:
            if blobs.disk_failed(error):  # a bad sector must not be the end of every backup
                return None
            raise
        if digest.hexdigest() != sha256:
            return None
        unless_whole.pop_all()
    return file


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _gallery(runtime: Runtime, gallery_id: str, told: BackupManifest) -> Iterator[bytes]:
    """A gallery that is dropped meanwhile is saved as far as it was read: the rows are of before,
    and after a restore what it lacks is embedded."""
    is_dropped = partial(_is_dropped, runtime, gallery_id)
    try:
        gallery = runtime.galleries.open(gallery_id)
    except AkinError as error:
        if isinstance(error, NotFound) or is_dropped():  # or lost: a restore begins an empty one
            return
        raise
    piece, number = bytearray(), 0
    for data, count in packed_gallery(gallery, is_dropped):
        told.points[gallery_id] = told.points.get(gallery_id, 0) + count
        piece += data
        if len(piece) >= PIECE_BYTES:
            number += 1
            yield _piece(f"galleries/{gallery_id}", number, bytes(piece), told)
            piece.clear()
    if gallery_id in told.points:
        yield _piece(f"galleries/{gallery_id}", number + 1, bytes(piece), told)


def _is_dropped(runtime: Runtime, gallery_id: str) -> bool:
    """By SQL first, whose row goes before the store lets go of the points."""
    with runtime.database.read() as session:
        if session.get(GalleryRow, gallery_id) is None:
            return True
    return gallery_id not in runtime.galleries.names()


def _touched(runtime: Runtime, begun: datetime) -> list[str] | None:
    changed = Product.updated_at >= begun - _CLOCKS_APART
    with runtime.database.read() as session:
        found = session.scalars(select(Product.id).where(changed).limit(MOST_NAMED + 1)).all()
    return None if len(found) > MOST_NAMED else list(found)
