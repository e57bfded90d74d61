"""Manifests: CSV and JSON-lines files that describe products and name their pictures.

Columns (any case; blanks and hyphens as underscores; other names after the colon):

- `sku`, required: product_id, article, id
- `image`, required: images, image_path, filename, file, path; several pictures separated by `|`
- `title`: name, product_name; `category`: product_type; `split`; `price` with `currency`

Every further column is an attribute. An empty cell says nothing. In JSON lines an empty list of
images is a product without pictures, as an export writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from backend.catalogue.manifest_tables import Record, Table, read_table
from backend.catalogue.naming import folder_of, join, split_named
from backend.catalogue.schemas import AttributeValue, ProductFields, Sku
from backend.errors import InvalidInput

ALIASES: dict[str, tuple[str, ...]] = {
    "sku": ("sku", "product_id", "article", "id"),
    "image": ("image", "images", "image_path", "filename", "file", "path"),
    "title": ("title", "name", "product_name"),
    "category": ("category", "product_type"),
    "split": ("split",),
    "price": ("price",),
    "currency": ("currency",),
}
_REQUIRED = ("sku", "image")
_EXPECTED = {
    "sku": "one to 200 characters",
    "title": "at most 500 characters",
    "category": "at most 100 characters",
    "split": "train, val or test",
    "price": "a number such as 19.90",
    "currency": "three capital letters such as EUR",
}
_SKU = TypeAdapter[str](Sku)


@dataclass(frozen=True, slots=True)
class Row:
    """One product: fields that are not given are None, `images` are names inside the import."""

    number: int
    sku: str
    fields: ProductFields
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is left out, and why, in one sentence."""

    number: int
    sku: str
    images: tuple[str, ...]
    """Those of its pictures whose names can be read."""
    sentence: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The rows in their order; of one SKU there is one row."""

    rows: list[Row]
    refused: list[BadRow]


def parse_manifest(data: bytes, name: str) -> Manifest:
    """Read the manifest whose relative path is `name`; its picture paths start from its folder.

    The first row is the header, number 1. Rows of one SKU that do not contradict each other are
    one product with the pictures of all.

    Raises:
        InvalidInput: where nothing of it can be used: no text, no header, a required column absent.
    """
    table = read_table(data, name)
    columns = _columns(table, name)
    rows: dict[str, Row] = {}
    refused: list[BadRow] = []
    for record in table.records:
        try:
            row = _row(record, columns, name)
            rows[row.sku] = _merged(rows[row.sku], row, name) if row.sku in rows else row
        except InvalidInput as error:
            refused.append(_bad_row(record, columns, name, error.sentence))
    return Manifest(list(rows.values()), refused)


def _columns(table: Table, name: str) -> dict[str, tuple[str, ...]]:
    """Field -> the table's columns that give it; what is not in there is an attribute."""
    present = {_normal(column): column for column in table.columns}
    found: dict[str, tuple[str, ...]] = {}
    for field, aliases in ALIASES.items():
        columns = [present[alias] for alias in aliases if alias in present]
        both = field == "image" and {"image", "images"} <= present.keys()
        found[field] = tuple(columns[: 2 if both else 1])
    for field in _REQUIRED:
        if not found[field]:
            listed = ", ".join(table.columns) or "none"
            raise InvalidInput(
                f"{name} has no column '{field}' (its columns: {listed}): add it; every row needs "
                "a sku and an image."
            )
    return found


def _row(record: Record, columns: Mapping[str, tuple[str, ...]], name: str) -> Row:
    where = f"{name}, row {record.number}"
    if record.problem:
        raise InvalidInput(f"{where}: {record.problem}")
    images = _images(record, columns["image"], name, where)
    others = {k: v for k, v in record.values.items() if k not in columns["image"]}
    _check_scalars(others, where)
    given = {f: others.pop(columns[f][0], None) for f in ALIASES if f != "image" and columns[f]}
    sku = _checked_sku(given.pop("sku"), columns["sku"][0], where)
    return Row(record.number, sku, _fields(given, others, columns, where), images)


def _checked_sku(value: Any, column: str, where: str) -> str:
    if value is None:
        raise InvalidInput(f"{where}: column {column} is empty: every row needs a SKU.")
    try:
        sku = _SKU.validate_python(_text(value))
    except ValidationError as error:
        raise _wrong(where, column, value, _EXPECTED["sku"]) from error
    if not sku.isprintable():
        raise _wrong(where, column, value, "characters that can be printed")
    return sku


def _fields(
    given: dict[str, Any],
    attributes: dict[str, AttributeValue],
    columns: Mapping[str, tuple[str, ...]],
    where: str,
) -> ProductFields:
    values: dict[str, Any] = {
        field: _text(value) for field, value in given.items() if value is not None
    }
    for field in ("title", "category"):
        if field in values:
            values[field] = " ".join(values[field].split())
    if "split" in values:
        values["split"] = split_named(values["split"]) or values["split"]
    if "price" in values:
        values["price"] = _decimal_point(values["price"])
    if "currency" in values:
        values["currency"] = values["currency"].strip().upper()
    if ("price" in values) != ("currency" in values):
        raise InvalidInput(f"{where}: price and currency go together: give both, or neither.")
    try:
        return ProductFields(**values, attributes=attributes or None)
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        raise _wrong(where, columns[field][0], given[field], _EXPECTED[field]) from error


def _images(record: Record, columns: tuple[str, ...], name: str, where: str) -> tuple[str, ...]:
    paths = [path for column in columns for path in _paths(record.values.get(column))]
    if not paths and not any(record.values.get(column) == [] for column in columns):
        raise InvalidInput(f"{where}: column {columns[0]} is empty: every row needs a picture.")
    try:
        return tuple(dict.fromkeys(join(folder_of(name), path) for path in paths))
    except InvalidInput as error:
        raise InvalidInput(
            f"{where}: column {columns[0]} names a picture outside the manifest's folder or with "
            f"an unusable name ({'|'.join(paths)[:200]}): put it beside or below the manifest."
        ) from error


def _paths(value: Any) -> list[str]:
    parts = value if isinstance(value, list) else [value]
    texts = [text for part in parts if part is not None for text in _text(part).split("|")]
    return [text.strip().replace("\\", "/") for text in texts if text.strip()]


def _check_scalars(values: Mapping[str, Any], where: str) -> None:
    for column, value in values.items():
        if not isinstance(value, str | int | float | bool):
            raise InvalidInput(
                f"{where}: column {column} holds a list or an object: give text, a number, "
                "true or false."
            )


def _merged(first: Row, second: Row, name: str) -> Row:
    """Both rows as one product.

    Raises:
        InvalidInput: if they say different things.
    """
    one, other = (row.fields.model_dump(exclude_none=True) for row in (first, second))
    one_more, other_more = one.pop("attributes", {}), other.pop("attributes", {})
    if _contradict(one, other) or _contradict(one_more, other_more):
        raise InvalidInput(
            f"{name}, row {second.number}: SKU {first.sku} is already in row {first.number} with "
            "other values: keep one of the two rows, or make them agree."
        )
    fields = ProductFields(**one | other, attributes=(one_more | other_more) or None)
    return Row(first.number, first.sku, fields, tuple(dict.fromkeys(first.images + second.images)))


def _contradict(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return any(one[key] != other[key] for key in one.keys() & other.keys())


def _bad_row(
    record: Record, columns: Mapping[str, tuple[str, ...]], name: str, sentence: str
) -> BadRow:
    value = record.values.get(columns["sku"][0])
    sku = "" if value is None else _text(value)[:200]
    images: tuple[str, ...] = ()
    with suppress(InvalidInput):
        images = _images(record, columns["image"], name, "")
    return BadRow(record.number, sku if sku.isprintable() else "", images, sentence)


def _decimal_point(price: str) -> str:
    """Spreadsheets set to many European languages write 19,90."""
    whole, comma, cents = price.strip().partition(",")
    return f"{whole}.{cents}" if comma and len(cents) in {1, 2} and "." not in price else price


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _wrong(where: str, column: str, value: Any, expected: str) -> InvalidInput:
    shown = _text(value)[:60]
    return InvalidInput(f"{where}: column {column}: {shown!r} is not {expected}.")


def _normal(column: str) -> str:
    return "_".join(column.casefold().replace("-", " ").replace("_", " ").split())
