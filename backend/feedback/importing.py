"""A file of triplets becomes candidates: names become images, each sentence a triplet."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.audit.service import Subject, note
from backend.catalogue.field_types import sku_form
from backend.catalogue.tables import Image, Product
from backend.database import Database
from backend.feedback.formats import Refusal, Row, read_file
from backend.feedback.schemas import RefusedRow, TripletImport, TripletSource
from backend.feedback.service import Said, record_all

AT_ONCE = 200
"""Rows in one transaction."""
TOLD = 100
"""Refusals in the report."""
_NUMBERED = re.compile(r"(?P<sku>.+) #(?P<number>[1-9]\d{0,3})")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def import_triplets(
    database: Database, data: bytes, name: str, source: TripletSource, actor: str
) -> TripletImport:
    """Keep what a file says as candidates, some hundred rows a transaction.

    Raises:
        TooLarge, InvalidInput: as `read_file` does; single rows are refused in the report.
    """
    form, rows = read_file(data, name)
    refusals = [one for one in rows if isinstance(one, Refusal)]
    good = [one for one in rows if isinstance(one, Row)]
    created = said = 0
    for start in range(0, len(good), AT_ONCE):
        with database.write() as session:
            kept, refused = _triplets(session, good[start : start + AT_ONCE], source)
            before = created
            created += sum(record_all(session, part, actor) for part in _parts(kept))
            if created > before:
                subject = Subject("triplets", "", name)
                told = {"candidates": created - before, "source": source}
                note(session, actor, "triplets.import", subject, after=told)
        said += len(kept)
        refusals += refused
    shown = sorted(refusals, key=lambda one: one.number)
    return TripletImport(
        format=form,
        rows=len(rows),
        created=created,
        unchanged=said - created,
        refused=len(shown),
        refusals=[RefusedRow(row=one.number, reason=one.reason) for one in shown[:TOLD]],
    )


def _parts(said: Sequence[Said]) -> Iterator[Sequence[Said]]:
    """As many as one statement may have parameters for."""
    for start in range(0, len(said), 500):
        yield said[start : start + 500]


def _triplets(
    session: Session, rows: Sequence[Row], source: TripletSource
) -> tuple[list[Said], list[Refusal]]:
    names = {name for row in rows for name in (row.reference, row.target)}
    images = named_images(session, names)
    kept: list[Said] = []
    refused: list[Refusal] = []
    for row in rows:
        unknown = [name for name in (row.reference, row.target) if name not in images]
        if unknown:
            told = f"no product or picture is called {unknown[0][:200]}: import it first."
            refused.append(Refusal(row.number, told))
        elif images[row.reference][1] == images[row.target][1]:
            refused.append(Refusal(row.number, "both sides are pictures of one product."))
        else:
            kept += [
                Said(
                    text=sentence,
                    target_image_id=images[row.target][0],
                    reference_image_id=images[row.reference][0],
                    source=source,
                )
                for sentence in row.sentences
            ]
    return kept, refused


def named_images(session: Session, names: Collection[str]) -> dict[str, tuple[str, str]]:
    """Image and product id by name: a SKU, `SKU #2` for its second image, or a picture's file
    name, which is its SHA-256 or its product's SKU. The images stay until the commit."""
    readings = {name: _readings(name) for name in names}
    skus = {sku for found in readings.values() for sku, _ in found}
    digests = {sku for sku in skus if _SHA256.fullmatch(sku)}
    by_sku, by_digest = _of_skus(session, skus), _of_digests(session, digests)
    found: dict[str, tuple[str, str]] = {}
    for name, choices in readings.items():
        for sku, number in choices:
            images = by_sku.get(sku) or by_digest.get(sku, [])
            if number <= len(images):
                found[name] = images[number - 1]
                break
    return found


def _readings(name: str) -> list[tuple[str, int]]:
    """What a name may mean, the likeliest first: a SKU or digest, and which of its images."""
    readings = [(sku_form(name), 1)]
    numbered = _NUMBERED.fullmatch(name)
    if numbered:
        readings.append((sku_form(numbered["sku"]), int(numbered["number"])))
    stem = PurePosixPath(name).stem
    if stem and stem != name:
        readings.append((sku_form(stem), 1))
    return readings


def _of_skus(session: Session, skus: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    rows = (
        select(Product.sku, Image.id, Image.product_id)
        .join(Image, Image.product_id == Product.id)
        .where(Product.sku.in_(skus))
        .order_by(Image.position, Image.id)
        .with_for_update(read=True, of=Image)
    )
    return _listed(session.execute(rows))


def _of_digests(session: Session, digests: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    rows = (
        select(Image.sha256, Image.id, Image.product_id)
        .where(Image.sha256.in_(digests))
        .order_by(Image.number)
        .with_for_update(read=True)
    )
    return _listed(session.execute(rows)) if digests else {}


def _listed(rows: Any) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for key, image_id, product_id in rows:
        found[key].append((image_id, product_id))
    return found
