"""JSON lines of strangers: one object a line, each checked before anything is made of it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError

from backend.catalogue.schemas import AttributeDeclaration
from backend.errors import InvalidInput

DECLARATION = "akin_attributes"
"""The key under which the first line of an export declares its attributes."""
MAX_LINE = 1_000_000
MAX_KEY = 200
"""Characters in the name of a column: an import keeps it with every row that says something."""
MAX_DEPTH = 50
"""Lists and objects within one another, the line's own object among them."""
_DECLARED = TypeAdapter(list[AttributeDeclaration])
_SURROGATES = re.compile("[\ud800-\udfff]")


def json_records(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any], str | None]]:
    """Line number, values, and what is wrong with the line in words that end a sentence."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield (number, *_read(line))


def json_columns(lines: Iterable[str], most: int) -> list[str] | None:
    """The keys of all objects in the order of their first use, somewhat more than `most` of them
    at the most; None where there are lines, but no object among them."""
    columns: dict[str, None] = {}
    wrong = False
    for _, values, problem in json_records(lines):
        columns |= dict.fromkeys(values)
        wrong = wrong or problem is not None
        if len(columns) > most + 1:
            break
    return None if wrong and not columns else list(columns)


def json_declarations(lines: Iterable[str], name: str) -> list[AttributeDeclaration]:
    """What the first line declares, if it declares anything.

    Raises:
        InvalidInput: if it is not what an export declares.
    """
    for _, values, _ in islice(json_records(lines), 1):
        if DECLARATION in values:
            try:
                return _DECLARED.validate_python(values[DECLARATION])
            except ValidationError as error:
                raise InvalidInput(
                    f"{name}, row 1: {DECLARATION} is not what an export writes: take it out."
                ) from error
    return []


def _read(line: str) -> tuple[dict[str, Any], str | None]:
    if len(line) > MAX_LINE:
        return {}, f"it is longer than {MAX_LINE:,} characters: shorten it."
    try:
        values = json.loads(line, parse_constant=_no_constant)
    except RecursionError:
        return {}, _TOO_DEEP
    except ValueError:
        return {}, "it is not valid JSON: write one object a line."
    if not isinstance(values, dict):
        return {}, "it is not a JSON object: write one object a line."
    if _is_deep(values):
        return {}, _TOO_DEEP
    if not _storable(values):
        return {}, "it holds a character or number that cannot be stored: take it out."
    long = next((key for key in values if len(key) > MAX_KEY), None)
    if long is not None:
        return {}, (
            f"its key {long[:40]!r}… has {len(long):,} characters, and {MAX_KEY} are allowed: "
            "shorten it."
        )
    return values, None


def _is_deep(value: Any) -> bool:
    """Whether it nests more than `MAX_DEPTH` deep; level by level, for all that comes after this
    looks into it by calling itself."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inside = (one.values() if isinstance(one, dict) else one for one in level)
        level = [one for one in chain.from_iterable(inside) if isinstance(one, dict | list)]
        if not level:
            return False
    return True


_TOO_DEEP = (
    f"it holds lists and objects more than {MAX_DEPTH} deep within one another: write plain values."
)


def _no_constant(word: str) -> NoReturn:
    raise ValueError(word)


def _storable(value: Any) -> bool:
    """Whether a database can hold it: no lone surrogates, zero characters or overflown numbers."""
    if isinstance(value, dict):
        return all(_storable(key) and _storable(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_storable, value))
    if isinstance(value, str):
        return "\0" not in value and not _SURROGATES.search(value)
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or abs(value) < 2**63
