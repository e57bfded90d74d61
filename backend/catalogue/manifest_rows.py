"""A manifest's rows: checked, and made into products; or told what is wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from backend.catalogue.field_types import Sku
from backend.catalogue.manifest_columns import Layout, picture_names
from backend.catalogue.manifest_tables import Record, Table
from backend.catalogue.naming import folder_of, join, split_named
from backend.catalogue.prices import read_price
from backend.catalogue.schemas import ManifestField, ManifestOptions, ProductFields
from backend.catalogue.sources_on_web import is_web
from backend.errors import InvalidInput

MAX_PICTURES = 1000
"""Of one product in a manifest; they are written in one transaction."""
FEWER_PICTURES = f"and a product may have {MAX_PICTURES:,}: leave some out."
_WEB_LENGTH = 2_000
_EXPECTED = {
    "sku": "one to 200 characters",
    "title": "at most 500 characters",
    "category": "at most 100 characters",
    "split": "train, val or test",
    "price": "a number such as 19.90",
    "currency": "three capital letters such as EUR",
}
_SKU = TypeAdapter[str](Sku)
_SHORTENED = re.compile(r"\d[.,]\d+E\+\d{2}", re.IGNORECASE)
_FIELDS: tuple[ManifestField, ...] = ("title", "category", "split", "price", "currency")


@dataclass(frozen=True, slots=True)
class Row:
    """One product: fields that are not given are None, `images` are names inside the import, or web
    addresses where these may be fetched."""

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
    cells: dict[str, str]
    """What stands in it: fields under their own names, attributes under their columns'."""


def cells_of(row: Row, manifest: str) -> dict[str, str]:
    """A row as a CSV beside its manifest would say it again."""
    given = row.fields.model_dump(exclude_none=True)
    attributes = given.pop("attributes", {})
    folder = f"{folder_of(manifest)}/" if folder_of(manifest) else ""
    images = "|".join(image.removeprefix(folder) for image in row.images)
    texts = {**given, **attributes}
    return {"sku": row.sku, "image": images, **{k: _text(v) for k, v in texts.items()}}


class RowReader:
    """Makes products of the rows of one table."""

    def __init__(
        self, table: Table, layout: Layout, options: ManifestOptions, *, web: bool = False
    ) -> None:
        """web: whether pictures may be fetched from where they are on the web."""
        self._name = table.name
        self._web = web
        self._folder = folder_of(table.name)
        self._is_json = table.is_json
        self._layout = layout
        self._currency = options.currency
        self._columns = [(f, layout.fields[f][0]) for f in _FIELDS if layout.fields[f]]

    def row(self, record: Record) -> Row:
        where = f"{self._name}, row {record.number}"
        if record.problem:
            raise InvalidInput(f"{where}: {record.problem}")
        images = self._images(record, where)
        if len(images) > MAX_PICTURES:
            raise InvalidInput(f"{where}: it names {len(images):,} pictures, {FEWER_PICTURES}")
        sku = self._sku(record, where)
        attributes = {k: record.values[k] for k in self._layout.others if k in record.values}
        for column, value in attributes.items():
            _check_scalar(value, column, where)
        values = dict(self._values(record, where))
        return Row(record.number, sku, self._fields(values, attributes, record, where), images)

    def bad_row(self, record: Record, sentence: str) -> BadRow:
        value = record.values.get(self._layout.column("sku"))
        sku = "" if value is None else _text(value)[:200]
        images: tuple[str, ...] = ()
        with suppress(InvalidInput):
            images = self._images(record, "")
        shown = sku if sku.isprintable() else ""
        return BadRow(record.number, shown, images, sentence, self._cells(record))

    def _sku(self, record: Record, where: str) -> str:
        column = self._layout.column("sku")
        value = record.values.get(column)
        if value is None:
            raise InvalidInput(f"{where}: column {column} is empty: every row needs a SKU.")
        _check_scalar(value, column, where)
        text = _text(value)
        if not text.strip().isprintable():
            raise _wrong(where, column, text, "characters that can be printed")
        if not self._is_json and _SHORTENED.fullmatch(text):
            raise InvalidInput(
                f"{where}: column {column}: {text!r} is a number that a spreadsheet shortened: "
                "format the column as text, and fill in the whole number."
            )
        try:
            return _SKU.validate_python(text)
        except ValidationError as error:
            raise _wrong(where, column, text, _EXPECTED["sku"]) from error

    def _values(self, record: Record, where: str) -> Iterator[tuple[str, str]]:
        """Fields as text, in the form that the catalogue takes."""
        for field, column in self._columns:
            value = record.values.get(column)
            if value is None:
                continue
            _check_scalar(value, column, where)
            text = _text(value)
            if field == "split":
                text = split_named(text) or text
            elif field == "currency":
                text = text.strip().upper()
            elif field != "price" and not self._is_json:
                text = " ".join(text.split())
            yield field, text

    def _fields(
        self, values: dict[str, str], attributes: dict[str, Any], record: Record, where: str
    ) -> ProductFields:
        if "price" in values:
            values["price"], named = read_price(values["price"])
            if named and values.setdefault("currency", named) != named:
                raise InvalidInput(
                    f"{where}: the price is in {named} and the currency is {values['currency']}: "
                    "make them agree."
                )
            if self._currency:
                values.setdefault("currency", self._currency)
        else:
            values.pop("currency", None)  # the same in every row of a shop's export
        try:
            fields = ProductFields(**values, attributes=attributes or None)
        except ValidationError as error:
            field = str(error.errors()[0]["loc"][0])
            column = self._layout.column(field)  # type: ignore[arg-type]
            value = record.values.get(column, values.get(field))
            raise _wrong(where, column, value, _EXPECTED[field]) from error
        if fields.price is not None and fields.currency is None:
            raise InvalidInput(
                f"{where}: price and currency go together: give both, or neither, or one currency "
                "for the whole import."
            )
        return fields

    def _images(self, record: Record, where: str) -> tuple[str, ...]:
        columns = self._layout.fields["image"]
        values = [record.values.get(column) for column in columns]
        paths = [path for value in values for path in picture_names(value, web=self._web)]
        if not paths and not any(record.values.get(column) == [] for column in columns):
            raise InvalidInput(f"{where}: column {columns[0]} is empty: every row needs a picture.")
        try:
            return tuple(dict.fromkeys(map(self._placed, paths)))
        except InvalidInput as error:
            raise InvalidInput(
                f"{where}: column {columns[0]} names a picture outside the manifest's folder or "
                f"with an unusable name ({'|'.join(paths)[:200]}): put it beside or below the "
                "manifest."
            ) from error

    def _placed(self, path: str) -> str:
        if not (self._web and is_web(path)):
            return join(self._folder, path)
        if len(path) > _WEB_LENGTH or not path.isprintable():
            raise InvalidInput(path)
        return path

    def _cells(self, record: Record) -> dict[str, str]:
        cells: dict[str, str] = {}
        for field, columns in self._layout.fields.items():
            found = [_cell(record.values[c]) for c in columns if c in record.values]
            if found:
                cells[field] = "|".join(text for text in found if text)
        others = {c: _cell(record.values[c]) for c in self._layout.others if c in record.values}
        return {**others, **cells}


def _check_scalar(value: Any, column: str, where: str) -> None:
    if not isinstance(value, str | int | float | bool):
        raise InvalidInput(
            f"{where}: column {column} holds a list or an object: give text, a number, "
            "true or false."
        )


def _cell(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "|".join(value)
    return json.dumps(value) if isinstance(value, list | dict) else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else str(value)


def _wrong(where: str, column: str, value: Any, expected: str) -> InvalidInput:
    shown = _text(value)[:60]
    return InvalidInput(f"{where}: column {column}: {shown!r} is not {expected}.")
