"""A gallery as one portable file, the same for all adapters: backup, and embedded to server.

The file, all integers little-endian: eight bytes of magic; the format's version (uint32); frames;
the SHA-256 of everything before it. A frame is the bytes of its JSON and of its vectors (two
uint32), the JSON, and the vectors (float32, row by row, of length 1). The first frame holds dim and
the indexed attributes, each further one ids and payloads with their vectors. One frame at a time is
in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from backend.errors import AkinError, InvalidInput, NotFound
from backend.gallery.port import Gallery, GalleryStore, Stored, Vector

MAGIC = b"AKINGAL\n"
VERSION = 1
BATCH = 256  # points a frame
_START = struct.Struct("<8sI")
_LENGTHS = struct.Struct("<II")
_DIGEST_SIZE = hashlib.sha256().digest_size
_CHUNK = 1 << 20  # bytes
_NO_VECTORS = np.empty(0, dtype=np.float32)

Frame = tuple[dict[str, Any], Vector]


def export_gallery(gallery: Gallery, path: Path) -> int:
    """Write all points of `gallery` to `path`, aside and then renamed; returns their number."""
    aside, count = path.with_name(f".{path.name}.partial"), 0
    try:
        with aside.open("wb") as file:
            for data, points in packed_gallery(gallery):
                file.write(data)
                count += points
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return count


def import_gallery(path: Path, store: GalleryStore, name: str) -> Gallery:
    """A new gallery `name` in `store` with the points of the file at `path`.

    Raises `NotFound` without a file, `InvalidInput` if it is no export, of a newer version, or
    damaged, and `Conflict` if the name is taken; then there is no new gallery.
    """
    if not path.is_file():
        raise NotFound(f"There is no gallery file at {path}.")
    with path.open("rb") as file:
        end = _check(file, path)
        frames = _frames(file, end)
        header, _ = next(frames)
        gallery = store.create(name, header["dim"])
        try:
            _fill(gallery, header, frames)
        except BaseException:
            store.drop(name)
            raise
    return gallery


def packed_gallery(
    gallery: Gallery, is_dropped: Callable[[], bool] = lambda: False
) -> Iterator[tuple[bytes, int]]:
    """The bytes of the file, some at a time, each with how many points they hold.

    `is_dropped` is asked once reading fails. Where it says so, the file ends as a whole one of the
    points read so far, and there is none where nothing was.
    """
    digest, is_begun = hashlib.sha256(), False
    try:
        for data, count in _parts(gallery):
            digest.update(data)
            is_begun = True
            yield data, count
    except AkinError:
        if not is_dropped():
            raise
    if is_begun:
        yield digest.digest(), 0


def _parts(gallery: Gallery) -> Iterator[tuple[bytes, int]]:
    header = {"dim": gallery.dim, "attributes": gallery.indexed_attributes()}
    yield _START.pack(MAGIC, VERSION) + _packed(header, _NO_VECTORS), 0
    for batch in _batches(gallery):
        payloads = [{**point.payload, "norm": point.norm} for point in batch.values()]
        vectors = np.stack([point.vector for point in batch.values()])
        yield _packed({"ids": list(batch), "payloads": payloads}, vectors), len(batch)


def _batches(gallery: Gallery) -> Iterator[dict[str, Stored]]:
    after = None
    while ids := gallery.scroll(after, BATCH):
        after = ids[-1]
        if batch := gallery.fetch(ids):  # empty when all of them were deleted meanwhile
            yield batch


def _packed(record: Mapping[str, Any], vectors: Vector) -> bytes:
    text = json.dumps(record, separators=(",", ":")).encode()
    numbers = vectors.astype("<f4").tobytes()
    return _LENGTHS.pack(len(text), len(numbers)) + text + numbers


def _check(file: BinaryIO, path: Path) -> int:
    """Read the whole file once; returns where its frames end and leaves it at their start."""
    start = file.read(_START.size)
    if len(start) < _START.size or not start.startswith(MAGIC):
        raise InvalidInput(f"{path} is not a gallery file: make one with akin export.")
    _, version = _START.unpack(start)
    if version > VERSION:
        raise InvalidInput(
            f"{path} is a gallery file of format {version}, and this Akin reads formats up to "
            f"{VERSION}: update Akin."
        )
    end = path.stat().st_size - _DIGEST_SIZE
    if end < _START.size or _digest(file, start, end) != file.read(_DIGEST_SIZE):
        raise InvalidInput(f"{path} is truncated or damaged: export the gallery again.")
    file.seek(_START.size)
    return end


def _digest(file: BinaryIO, start: bytes, end: int) -> bytes:
    digest = hashlib.sha256(start)
    while file.tell() < end:
        digest.update(file.read(min(_CHUNK, end - file.tell())))
    return digest.digest()


def _frames(file: BinaryIO, end: int) -> Iterator[Frame]:
    while file.tell() < end:
        text_size, vector_size = _LENGTHS.unpack(file.read(_LENGTHS.size))
        record = json.loads(file.read(text_size))
        vectors = np.frombuffer(file.read(vector_size), dtype="<f4").astype(np.float32)
        yield record, vectors


def _fill(gallery: Gallery, header: Mapping[str, Any], frames: Iterator[Frame]) -> None:
    for slug, kind in header["attributes"].items():
        gallery.index_attribute(slug, kind)
    for record, vectors in frames:
        ids, payloads = record["ids"], record["payloads"]
        rows = vectors.reshape(len(ids), gallery.dim)
        batch = zip(ids, payloads, rows, strict=True)
        gallery.restore({i: Stored(row, payload["norm"], payload) for i, payload, row in batch})
