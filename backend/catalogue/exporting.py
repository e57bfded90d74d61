"""The catalogue in the form that an import takes: JSON lines, and those with all images as a zip.

What comes out can go in again: where attributes have kinds and labels that their values do not
tell ("10" may be a word), the first line declares them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend import clock
from backend.blobs import BlobStore
from backend.catalogue.attribute_kinds import declared_attributes
from backend.catalogue.json_lines import DECLARATION
from backend.catalogue.listing import matching
from backend.catalogue.schemas import ExportSize
from backend.catalogue.tables import Blob, Image, Product
from backend.database import Database
from backend.errors import NotFound
from backend.gallery.filters import Filter

PAGE = 500
MANIFEST = "products.jsonl"
_CHUNK = 256 * 1024
_SPOOL = 8 * 1024 * 1024  # bytes of lines kept in memory, the rest in a temporary file
_SUFFIXES = {"JPEG": "jpg", "MPO": "jpg"}


def export_lines(database: Database, wanted: Filter | None = None) -> Iterator[str]:
    """One product a line, by SKU: its fields, its attributes, and the file names of its images.

    A file name is `images/`, the SHA-256 of the blob and the ending of its format. The first line
    declares the attributes, if there are any. Each page has a transaction of its own, so that a
    slow reader holds nothing.
    """
    for record in _records(database, wanted):
        yield _line(record)


def export_zip(
    database: Database, blobs: BlobStore, wanted: Filter | None = None
) -> Iterator[bytes]:
    """A zip with the images as they are, each once, and `products.jsonl` as its last member.

    An image that is deleted meanwhile is neither in the zip nor named. Memory stays small: of the
    images only their hashes are remembered.
    """
    sink = _Sink()
    written: set[bytes] = set()
    with SpooledTemporaryFile(_SPOOL) as lines, ZipFile(sink, "w") as archive:
        for record in _records(database, wanted):
            names = record.get("images", [])
            for name in names:
                if _write_image(archive, blobs, name, written) and sink.size >= _CHUNK:
                    yield sink.take()
            if names:
                record["images"] = [name for name in names if _digest(name) in written]
            lines.write(_line(record).encode())
        lines.seek(0)
        with archive.open(_member(MANIFEST, ZIP_DEFLATED), "w", force_zip64=True) as manifest:
            while chunk := lines.read(_CHUNK):
                manifest.write(chunk)
                yield sink.take()
        archive.close()
        yield sink.take()


def export_size(session: Session, wanted: Filter | None = None) -> ExportSize:
    """How much an export would be: an image that several products show counts once."""
    conditions = matching(session, wanted)
    products = session.scalar(select(func.count(Product.id)).where(*conditions)) or 0
    shown = select(Image.sha256).join(Product, Product.id == Image.product_id).where(*conditions)
    sizes = select(func.count(), func.coalesce(func.sum(Blob.size), 0))
    images, size = session.execute(sizes.where(Blob.sha256.in_(shown))).one()
    return ExportSize(products=products, images=images, bytes=int(size))


def image_name(sha256: str, form: str) -> str:
    """What an exported image is called: `images/<sha256>.jpg` for a JPEG."""
    return f"images/{sha256}.{_SUFFIXES.get(form, form.lower())}"


class _Sink:
    """Where a zip is written to that nobody can seek in; what was written is taken away."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def write(self, data: bytes, /) -> int:
        self._parts.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is held open."""

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts, self.size = [], 0
        return taken


def _write_image(archive: ZipFile, blobs: BlobStore, name: str, written: set[bytes]) -> bool:
    digest = _digest(name)
    if digest in written:
        return False
    with suppress(NotFound):
        archive.writestr(_member(name, ZIP_STORED), blobs.read(digest.hex()))
        written.add(digest)
        return True
    return False


def _member(name: str, compression: int) -> ZipInfo:
    info = ZipInfo(name, clock.now().timetuple()[:6])
    info.compress_type = compression
    info.external_attr = 0o644 << 16
    return info


def _digest(name: str) -> bytes:
    return bytes.fromhex(name.removeprefix("images/").partition(".")[0])


def _records(database: Database, wanted: Filter | None) -> Iterator[dict[str, Any]]:
    with database.read() as session:
        declared = [one.model_dump() for one in declared_attributes(session)]
    if declared:
        yield {DECLARATION: declared}
    last = ""
    while True:
        with database.read() as session:
            after = select(Product).where(Product.sku > last, *matching(session, wanted))
            products = session.scalars(after.order_by(Product.sku).limit(PAGE)).all()
            names = _image_names(session, [product.id for product in products])
            records = [_record(product, names[product.id]) for product in products]
        yield from records
        if len(products) < PAGE:
            return
        last = products[-1].sku


def _image_names(session: Session, product_ids: Sequence[str]) -> dict[str, list[str]]:
    rows = session.execute(
        select(Image.product_id, Image.sha256, Blob.format)
        .join(Blob, Blob.sha256 == Image.sha256)
        .where(Image.product_id.in_(product_ids))
        .order_by(Image.position, Image.id)
    )
    names: dict[str, list[str]] = defaultdict(list)
    for product_id, sha256, form in rows:
        names[product_id].append(image_name(sha256, form))
    return names


def _record(product: Product, images: list[str]) -> dict[str, Any]:
    price = {} if product.price is None else {"price": f"{product.price}"}
    currency = {} if product.currency is None else {"currency": product.currency}
    return {
        "sku": product.sku,
        "title": product.title,
        "category": product.category,
        "split": product.split,
        **price,
        **currency,
        **product.attributes,
        "images": images,
    }


def _line(record: dict[str, Any]) -> str:
    # ASCII only: some readers take U+2028 or U+0085 inside a title for the end of the line.
    return json.dumps(record) + "\n"
