"""Manifests: CSV and JSON-lines files that describe products and name their pictures.

A row is a product: `sku` and `image` are required; title, category, split, price and currency may
be there (manifest_columns.py tells which column is which), and every further column is an
attribute. Several pictures are separated by `|`. An empty cell says nothing. In JSON lines an empty
list of images is a product without pictures, as an export writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from backend.catalogue.manifest_columns import Layout, lay_out, missing_sentence
from backend.catalogue.manifest_rows import (
    FEWER_PICTURES,
    MAX_PICTURES,
    BadRow,
    Row,
    RowReader,
)
from backend.catalogue.manifest_tables import Table, read_table
from backend.catalogue.schemas import AttributeDeclaration, ManifestOptions, ProductFields
from backend.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Manifest:
    """The rows in their order; of one SKU there is one row."""

    rows: list[Row]
    refused: list[BadRow]
    declared: list[AttributeDeclaration]
    """What an export says of its attributes, in their order."""


class RowShelf(Protocol):
    """Where the rows of one manifest are kept while it is read."""

    def row(self, sku: str) -> Row | None:
        """The row of a SKU, if there is one."""

    def put(self, row: Row) -> None:
        """Keep a row; instead of the one of its SKU, in whose place it then stands."""

    def refuse(self, bad: BadRow) -> None:
        """Keep a row that is left out."""


def parse_manifest(
    data: bytes, name: str, options: ManifestOptions = ManifestOptions()
) -> Manifest:
    """Read the manifest whose relative path is `name`; its picture paths start from its folder.

    The first row is the header, number 1. Rows of one SKU that do not contradict each other are
    one product with the pictures of all.

    Raises:
        InvalidInput: where nothing of it can be used: no text, no header, a required column absent.
        TooLarge: for more rows or columns than a manifest may have.
    """
    table, layout = open_manifest(data, name, options)
    return read_rows(table, layout, options)


def open_manifest(data: bytes, name: str, options: ManifestOptions) -> tuple[Table, Layout]:
    """The table in a manifest and what its columns are for; raises as `parse_manifest` does."""
    table = read_table(data, name, options.encoding)
    layout = lay_out(table, options)
    if layout.missing:
        raise InvalidInput(missing_sentence(table, layout))
    return table, layout


def read_rows(
    table: Table, layout: Layout, options: ManifestOptions, *, web: bool = False
) -> Manifest:
    """The rows of a table whose required columns are known; raises as `parse_manifest` does."""
    shelf = _Lists()
    read_onto(shelf, table, layout, options, web=web)
    return Manifest(list(shelf.rows.values()), shelf.refused, table.declared)


def read_onto(
    shelf: RowShelf, table: Table, layout: Layout, options: ManifestOptions, *, web: bool = False
) -> None:
    """Read the rows of a table onto a shelf, one at a time. It raises as `parse_manifest` does, and
    then what the shelf has got so far counts for nothing.

    web: whether pictures may be fetched; then a web address stays one.
    """
    reader = RowReader(table, layout, options, web=web)
    for record in table.records():
        try:
            row = reader.row(record)
            first = shelf.row(row.sku)
            shelf.put(row if first is None else _merged(first, row, table.name))
        except InvalidInput as error:
            shelf.refuse(reader.bad_row(record, error.sentence))


class _Lists:
    """A shelf in memory."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.refused: list[BadRow] = []

    def row(self, sku: str) -> Row | None:
        return self.rows.get(sku)

    def put(self, row: Row) -> None:
        self.rows[row.sku] = row

    def refuse(self, bad: BadRow) -> None:
        self.refused.append(bad)


def _merged(first: Row, second: Row, name: str) -> Row:
    """Both rows as one product.

    Raises:
        InvalidInput: if they say different things, or name too many pictures together.
    """
    one, other = (row.fields.model_dump(exclude_none=True) for row in (first, second))
    one_more, other_more = one.pop("attributes", {}), other.pop("attributes", {})
    if _contradict(one, other) or _contradict(one_more, other_more):
        raise InvalidInput(
            f"{name}, row {second.number}: SKU {first.sku} is already in row {first.number} with "
            "other values: keep one of the two rows, or make them agree."
        )
    images = tuple(dict.fromkeys(first.images + second.images))
    if len(images) > MAX_PICTURES:
        raise InvalidInput(
            f"{name}, row {second.number}: with row {first.number} SKU {first.sku} has "
            f"{len(images):,} pictures, {FEWER_PICTURES}"
        )
    fields = ProductFields(**one | other, attributes=(one_more | other_more) or None)
    return Row(first.number, first.sku, fields, images)


def _contradict(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return any(one[key] != other[key] for key in one.keys() & other.keys())
