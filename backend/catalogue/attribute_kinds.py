"""What the attributes of an import will be: told by an export, else by their widest values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue.attributes import MAX_FILTERABLE, kind_of, slugify
from backend.catalogue.manifest_rows import BadRow, Row
from backend.catalogue.manifests import Manifest
from backend.catalogue.schemas import AttributeDeclaration, AttributeValue
from backend.catalogue.tables import Attribute
from backend.errors import InvalidInput

_WIDTH = {"bool": 0, "integer": 0, "float": 1, "keyword": 2}


class Samples:
    """For each attribute its widest value, so that a column of 10, 12 and S becomes words; also
    where the row of the S is refused, for it may be mended. Of equals the first counts, and those
    of the rows before those of what is refused."""

    def __init__(self) -> None:
        self._rows: dict[str, AttributeValue] = {}
        self._refused: dict[str, AttributeValue] = {}

    def add(self, row: Row) -> None:
        """Take a row of the manifest into account."""
        for label, value in (row.fields.attributes or {}).items():
            _widen(self._rows, label, value)

    def add_refused(self, bad: BadRow) -> None:
        """Take one of its refused rows into account; cells of no row's attribute do not count."""
        for label, value in bad.cells.items():
            _widen(self._refused, label, value)

    def widest(self) -> dict[str, AttributeValue]:
        """The value of each attribute that a row has."""
        found = dict(self._rows)
        for label in found.keys() & self._refused.keys():
            _widen(found, label, self._refused[label])
        return found


def samples_of(manifest: Manifest) -> dict[str, AttributeValue]:
    """The widest value of each attribute of one manifest."""
    samples = Samples()
    for row in manifest.rows:
        samples.add(row)
    for bad in manifest.refused:
        samples.add_refused(bad)
    return samples.widest()


def widen(samples: dict[str, AttributeValue], others: Mapping[str, AttributeValue]) -> None:
    """Put the samples of a further manifest to those of the ones before."""
    for label, value in others.items():
        _widen(samples, label, value)


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


def _widen(samples: dict[str, AttributeValue], label: str, value: AttributeValue) -> None:
    if label not in samples or _width(value) > _width(samples[label]):
        samples[label] = value


def _width(value: AttributeValue) -> int:
    return _WIDTH[kind_of(value)]
