"""What the attributes of an import will be: told by an export, else by their widest values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import chain

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue.attributes import MAX_FILTERABLE, kind_of, slugify
from backend.catalogue.manifests import Manifest
from backend.catalogue.schemas import AttributeDeclaration, AttributeValue
from backend.catalogue.tables import Attribute
from backend.errors import InvalidInput

_WIDTH = {"bool": 0, "integer": 0, "float": 1, "keyword": 2}


def samples_of(manifests: Iterable[Manifest]) -> dict[str, AttributeValue]:
    """For each attribute its widest value, so that a column of 10, 12 and S becomes words; also
    where the row of the S is refused, for it may be mended."""
    samples: dict[str, AttributeValue] = {}
    for label, value in chain.from_iterable(map(_values, manifests)):
        if label not in samples or _width(value) > _width(samples[label]):
            samples[label] = value
    return samples


def declared_attributes(session: Session) -> list[AttributeDeclaration]:
    """Every attribute there is; those that can be filtered by come first, oldest first."""
    rows = select(Attribute).order_by(
        Attribute.filterable.desc(), Attribute.created_at, Attribute.slug
    )
    return [
        AttributeDeclaration.model_validate(row, from_attributes=True)
        for row in session.scalars(rows)
    ]


def declare_attributes(session: Session, declared: Sequence[AttributeDeclaration]) -> None:
    """Write down those attributes that are not there yet, in their order.

    Raises:
        InvalidInput: for a slug that cannot be one.
    """
    for one in declared:
        if slugify(one.slug) != one.slug:
            raise InvalidInput(f"'{one.slug}' is not the key of an attribute: see its label.")
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        session.execute(text("LOCK TABLE attributes IN SHARE ROW EXCLUSIVE MODE"))
    there = set(session.scalars(select(Attribute.slug)))
    free = MAX_FILTERABLE - (session.scalar(select(func.count()).where(Attribute.filterable)) or 0)
    moment = clock.now()
    new = {one.slug: one for one in declared if one.slug not in there}
    for position, one in enumerate(new.values()):
        session.add(
            Attribute(
                **one.model_dump(),
                filterable=position < free,
                created_at=moment + timedelta(microseconds=position),
            )
        )
    session.flush()


def _values(manifest: Manifest) -> Iterator[tuple[str, AttributeValue]]:
    for row in manifest.rows:
        yield from (row.fields.attributes or {}).items()
    labels = {label for row in manifest.rows for label in row.fields.attributes or {}}
    for bad in manifest.refused:
        yield from ((label, text) for label, text in bad.cells.items() if label in labels)


def _width(value: AttributeValue) -> int:
    return _WIDTH[kind_of(value)]
