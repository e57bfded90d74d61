"""Whether everything agrees in the end, read straight from SQL, the blob folder and the gallery:
none of reconciliation's code is used here, so that the two can be held against each other."""

from __future__ import annotations

import hashlib

from sqlalchemy import select, text

from backend.catalogue.tables import Blob, Image, Product, Removal
from tests.end_to_end.killing.installations import Parts
from tests.end_to_end.killing.traffic import Promises


def differences(parts: Parts, promises: Promises) -> list[str]:
    """Everything that is not as it should be, in words; an empty list is what the trial is for."""
    return [
        *_between_rows_and_points(parts),
        *_between_rows_and_files(parts),
        *_between_rows_and_promises(parts, promises),
    ]


def count_images(parts: Parts) -> int:
    with parts.database.read() as session:
        return len(session.scalars(select(Image.id)).all())


def _between_rows_and_points(parts: Parts) -> list[str]:
    told = []
    with parts.database.read() as session:
        rows = session.execute(
            select(Image.id, Product.category, Product.sku)
            .join(Product, Product.id == Image.product_id)
            .order_by(Image.id)
        ).all()
        noted = session.execute(
            text("SELECT image_id, error FROM embeddings ORDER BY image_id")
        ).all()
        if session.scalars(select(Removal.image_id)).all():
            told.append("deletions are left half done")
    ids = [row.id for row in rows]
    for name in parts.galleries.names():
        gallery = parts.galleries.open(name)
        points = gallery.scroll(None, 1_000_000)
        if points != ids:
            lacking, strange = set(ids) - set(points), set(points) - set(ids)
            told.append(
                f"{name}: {len(lacking)} images without a point, {len(strange)} points too many"
            )
        stored = gallery.fetch(points)
        wrong = [row.sku for row in rows if row.id in stored
                 and stored[row.id].payload["category"] != row.category]  # fmt: skip
        if wrong:
            told.append(f"{name}: {len(wrong)} points with another category than {wrong[:3]} have")
    if [row.image_id for row in noted] != ids or any(row.error for row in noted):
        told.append(f"embeddings of {len(noted)} images are noted, and there are {len(ids)}")
    return told


def _between_rows_and_files(parts: Parts) -> list[str]:
    told = []
    with parts.database.read() as session:
        rows = set(session.scalars(select(Blob.sha256)))
        shown = set(session.scalars(select(Image.sha256)))
    files = {file.name for file in parts.blobs.files("originals")}
    if rows != shown:
        told.append(f"{len(rows - shown)} blobs that no image shows")
    if files != rows:
        told.append(f"{len(rows - files)} blobs without a file, {len(files - rows)} files too many")
    bad = [one for one in rows & files if hashlib.sha256(parts.blobs.read(one)).hexdigest() != one]
    if bad:
        told.append(f"{len(bad)} files that are not what they are named after")
    return told


def _between_rows_and_promises(parts: Parts, promises: Promises) -> list[str]:
    told = []
    with parts.database.read() as session:
        found: dict[str, tuple[str, set[str]]] = {}
        query = select(Product.sku, Product.category, Image.sha256)
        for sku, category, sha256 in session.execute(query.join(Image)):
            found.setdefault(sku, (category, set()))[1].add(sha256)
    for sku, promised in promises.products.items():
        if sku not in found:
            told.append(f"{sku} is lost")
        elif found[sku] != (promised.category, promised.sha256s):
            told.append(f"{sku} is {found[sku]}, and {promised} was acknowledged")
    told += [f"{sku} was deleted and is back" for sku in promises.deleted if sku in found]
    strange = found.keys() - promises.products.keys() - promises.deleted.keys()
    return told + [f"{sku} is there, and nobody was told so" for sku in sorted(strange)]
