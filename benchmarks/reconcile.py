"""What a reconciliation costs: seconds and memory, with everything in line, by size."""

from __future__ import annotations

import hashlib
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from sqlalchemy import insert

from backend import clock
from backend.catalogue.tables import Blob, Image, Product
from backend.gallery.port import Point
from backend.migrating import upgrade
from backend.registry.coverage import coverage
from backend.registry.tables import Embedding, GalleryRow
from backend.runtime import Runtime, open_runtime
from backend.settings import Settings
from benchmarks.tables import Table, write
from workers.reconciliation.comparing import in_batches
from workers.reconciliation.reconcile import reconcile
from workers.reconciliation.rounds import Directly

SIZES = (10_000, 100_000)
DIM = 512
AT_ONCE = 1000
GALLERY = "g-measured"
BYTES = 4096  # of a stored picture: what is read of it when looking deep


def main() -> None:
    """Rows, points and files made directly; then one round, and one that looks deep."""
    rows: list[tuple[Any, ...]] = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as scratch:
            rows += _measured(Path(scratch), size)
    caption = (
        f"SQLite, Qdrant Edge with {DIM} dimensions, blobs of {BYTES} bytes in a folder; nothing "
        "is out of line. Memory is what the process takes more at the end than at the beginning."
    )
    columns = ("images", "round", "seconds", "images a second", "MB more")
    write("reconcile", "Reconciliation", Table(columns, rows, caption))


def _measured(scratch: Path, size: int) -> Iterator[tuple[Any, ...]]:
    runtime = open_runtime(Settings(home=scratch))
    upgrade(runtime.database)
    _fill(runtime, size)
    for deep in (False, True):
        before, begun = _memory(), time.perf_counter()
        ledger = reconcile(runtime, Directly(runtime, _quiet), mend=True, deep=deep)
        seconds = time.perf_counter() - begun
        if not ledger.in_line:
            raise RuntimeError(f"what was made does not agree: {ledger.result()}")
        name = "with --deep" if deep else "as every night"
        yield size, name, seconds, size / seconds, _memory() - before
    yield _counted(runtime, size)
    runtime.close()


def _counted(runtime: Runtime, size: int) -> tuple[Any, ...]:
    """The coverage alone, from SQL, as the Galleries page asks for it."""
    before, begun = _memory(), time.perf_counter()
    with runtime.database.read() as session:
        if not coverage(session, GALLERY).is_complete:
            raise RuntimeError("what was made is not covered")
    seconds = time.perf_counter() - begun
    return size, "coverage alone", seconds, size / seconds, _memory() - before


def _fill(runtime: Runtime, size: int) -> None:
    moment = clock.now()
    with runtime.database.write() as session:
        gallery = {"id": GALLERY, "fingerprint": "f", "dim": DIM, "created_at": moment}
        session.execute(insert(GalleryRow), [gallery])
    runtime.galleries.create(GALLERY, DIM)
    for numbers in in_batches(range(size), AT_ONCE):
        _fill_some(runtime, numbers)


def _fill_some(runtime: Runtime, numbers: list[int]) -> None:
    moment = clock.now()
    ids = [str(uuid.uuid4()) for _ in numbers]
    hashes = [_store(runtime, number) for number in numbers]
    stamps = {"created_at": moment, "updated_at": moment}
    products = [
        {"id": id_, "sku": f"S{n}", "title": f"S{n}", "category": "dress", "split": "train",
         "attributes": {}, **stamps}
        for id_, n in zip(ids, numbers, strict=True)
    ]  # fmt: skip
    facts = {"size": BYTES, "format": "PNG", "width": 64, "height": 64, "created_at": moment}
    blobs = [{"sha256": sha256, **facts} for sha256 in hashes]
    images = [
        {"id": id_, "product_id": id_, "sha256": sha256, "position": 0, "created_at": moment}
        for id_, sha256 in zip(ids, hashes, strict=True)
    ]
    noted = {"gallery_id": GALLERY, "image_revision": 1, "created_at": moment}
    with runtime.database.write() as session:
        session.execute(insert(Product), products)
        session.execute(insert(Blob), blobs)
        session.execute(insert(Image), images)
        session.execute(insert(Embedding), [{"image_id": id_, **noted} for id_ in ids])
    _points(runtime, products)


def _points(runtime: Runtime, products: list[dict[str, Any]]) -> None:
    vectors = np.random.default_rng(len(products)).standard_normal((len(products), DIM))
    runtime.galleries.open(GALLERY).upsert(
        [
            Point(
                product["id"],
                vector.astype(np.float32),
                {
                    "product": product["id"],
                    "sku": product["sku"],
                    "category": "dress",
                    "split": "train",
                    "attributes": {},
                },
            )
            for product, vector in zip(products, vectors, strict=True)
        ]
    )


def _store(runtime: Runtime, number: int) -> str:
    """A file as the blob store has it, written without its flush to the disk."""
    data = number.to_bytes(8, "big") * (BYTES // 8)
    sha256 = hashlib.sha256(data).hexdigest()
    path = runtime.settings.home / "blobs" / "originals" / sha256[:2] / sha256
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return sha256


def _memory() -> float:
    return float(psutil.Process().memory_info().rss / 1024**2)


def _quiet(_stage: str, _done: int, _total: int) -> None:
    """Nobody watches."""
