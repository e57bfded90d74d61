"""Filters over payload fields: the model, its text form, and the check against known keys.

The text form is what `akin search --filter` and the API take, one condition an expression:
`category=dress`, `colour=red,blue`, `colour!=red`, `price>=10`, `size=10..20`, `title="red, blue"`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    model_validator,
)

from backend.errors import InvalidInput

Kind = Literal["keyword", "integer", "float", "bool"]
Scalar = StrictBool | StrictInt | StrictFloat | str

BUILT_IN_KEYS: tuple[str, ...] = ("category", "split", "sku", "product")
EXAMPLES = (
    "write for example category=dress, colour=red,blue, colour!=red, price>=10 or size=10..20"
)

_KEY = r"[\w-]+"
# Possessive where it can be: these meet strangers' text, and must not try it in many ways.
_NUMBER = r"[+-]?(?:\d++(?:\.(?!\.)\d*+)?|\.\d++)(?:[eE][+-]?\d++)?"
_EXPRESSION = re.compile(rf"\s*({_KEY})\s*(!=|>=|<=|=)(.*)", re.DOTALL)
_RANGE = re.compile(rf"\s*({_NUMBER})?\.\.({_NUMBER})?\s*")
_VALUE = re.compile(r'\s*+(?:"((?:[^"]|"")*+)"\s*+|([^",]++))(,|\Z)')
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
# Numbers are compared as float64, which is exact for whole numbers up to here.
_LARGEST_NUMBER = 2**53
MOST_FRACTIONS = 150
"""Numbers that need not be whole, of all conditions together: a server tests each by itself, and in
strict mode no more than so many."""


class Condition(BaseModel):
    """One test of one key: equal to a value, any of several, or within a range (both ends in).

    `negate` turns it round; a point that lacks the key then matches.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    key: str = Field(pattern=f"^{_KEY}$")
    equals: Scalar | None = None
    any_of: tuple[Scalar, ...] | None = None
    gte: float | None = None
    lte: float | None = None
    negate: bool = False

    @model_validator(mode="after")
    def _one_test(self) -> Self:
        is_range = self.gte is not None or self.lte is not None
        tests = [self.equals is not None, self.any_of is not None, is_range]
        if tests.count(True) != 1:
            raise ValueError("give exactly one of equals, any_of, or gte and lte")
        if self.any_of == ():
            raise ValueError("any_of needs at least one value")
        return self

    @property
    def values(self) -> tuple[Scalar, ...]:
        """The values of which one must be met; empty for a range."""
        return self.any_of or (() if self.equals is None else (self.equals,))

    @property
    def path(self) -> str:
        """Where the key lies in a payload."""
        return self.key if self.key in BUILT_IN_KEYS else f"attributes.{self.key}"


class Filter(BaseModel):
    """Conditions that must all hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    conditions: tuple[Condition, ...] = ()


def parse_filter(expressions: Sequence[str]) -> Filter:
    """The filter that `expressions` describe, values still text; raises `InvalidInput`."""
    return Filter(conditions=tuple(_parse(expression) for expression in expressions))


def format_filter(filter: Filter) -> list[str]:  # noqa: A002 (the port's word)
    """The expressions that `parse_filter` turns into `filter` (its values as text)."""
    return [_format(condition) for condition in filter.conditions]


def check_keys(filter: Filter, known: Mapping[str, Kind]) -> Filter:  # noqa: A002
    """The filter with its values in the kinds of `known`, the filterable attributes by slug.

    Category, split, sku and product are always known. Raises `InvalidInput` for an unknown key, a
    value that is not of its key's kind, a range over something that has no order, or too many
    numbers.
    """
    kinds: dict[str, Kind] = {**known, **dict.fromkeys(BUILT_IN_KEYS, "keyword")}
    typed = Filter(conditions=tuple(_typed(condition, kinds) for condition in filter.conditions))
    values = [value for condition in typed.conditions for value in condition.values]
    fractions = sum(isinstance(value, float) for value in values)
    if fractions > MOST_FRACTIONS:
        raise InvalidInput(
            f"The filters name {fractions} single numbers that need not be whole, and "
            f"{MOST_FRACTIONS} are allowed: give a range, for example price=10..40."
        )
    return typed


def _parse(expression: str) -> Condition:
    match = _EXPRESSION.fullmatch(expression)
    if match is None:
        raise InvalidInput(f"Filter '{expression}' cannot be read: {EXAMPLES}.")
    key, operator, text = match.groups()
    if operator in (">=", "<="):
        return _parse_bound(expression, key, operator, text)
    return _parse_values(expression, key, text, negate=operator == "!=")


def _parse_bound(expression: str, key: str, operator: str, text: str) -> Condition:
    bound = _to_number(text.strip())
    if bound is None:
        raise InvalidInput(f"Filter '{expression}' needs a number after {operator}: {EXAMPLES}.")
    return Condition(key=key, gte=bound) if operator == ">=" else Condition(key=key, lte=bound)


def _parse_values(expression: str, key: str, text: str, *, negate: bool) -> Condition:
    if span := _RANGE.fullmatch(text):
        return _parse_range(expression, key, span, negate=negate)
    values = _split_values(text)
    if values is None:
        raise InvalidInput(f"Filter '{expression}' lacks a value or a closing quote: {EXAMPLES}.")
    if len(values) == 1:
        return Condition(key=key, equals=values[0], negate=negate)
    return Condition(key=key, any_of=tuple(values), negate=negate)


def _parse_range(expression: str, key: str, span: re.Match[str], *, negate: bool) -> Condition:
    low, high = (None if end is None else _to_number(end) for end in span.groups())
    if (low, high) == (None, None):
        raise InvalidInput(f"Filter '{expression}' is a range without an end: {EXAMPLES}.")
    if low is not None and high is not None and low > high:
        raise InvalidInput(f"Filter '{expression}' matches nothing: its lower end is the higher.")
    return Condition(key=key, gte=low, lte=high, negate=negate)


def _split_values(text: str) -> list[str] | None:
    """Comma-separated values, those in double quotes as they are; None where it is malformed."""
    values: list[str] = []
    position, separator = 0, ","
    while separator:
        match = _VALUE.match(text, position)
        if match is None:
            return None
        quoted, plain, separator = match.groups()
        if quoted is None and not plain.strip():
            return None
        values.append(plain.rstrip() if quoted is None else quoted.replace('""', '"'))
        position = match.end()
    return values


def _format(condition: Condition) -> str:
    operator = "!=" if condition.negate else "="
    if condition.values:
        return f"{condition.key}{operator}{','.join(map(_format_value, condition.values))}"
    low, high = condition.gte, condition.lte
    if high is None and not condition.negate:
        return f"{condition.key}>={low!r}"
    if low is None and not condition.negate:
        return f"{condition.key}<={high!r}"
    ends = ("" if end is None else repr(end) for end in (low, high))
    return f"{condition.key}{operator}{'..'.join(ends)}"


def _format_value(value: Scalar) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    is_plain = text == text.strip() != "" and not set(text) & set('",')
    if is_plain and not _RANGE.fullmatch(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def _typed(condition: Condition, kinds: Mapping[str, Kind]) -> Condition:
    kind = kinds.get(condition.key)
    if kind is None:
        raise InvalidInput(_unknown_key(condition.key, kinds))
    if not condition.values and kind not in ("integer", "float"):
        raise InvalidInput(f"Filter '{condition.key}' holds no numbers, so it takes no range.")
    values = tuple(_as_kind(condition.key, value, kind) for value in condition.values)
    if condition.equals is not None:
        return condition.model_copy(update={"equals": values[0]})
    return condition.model_copy(update={"any_of": values or None})


def _unknown_key(key: str, kinds: Mapping[str, Kind]) -> str:
    close = difflib.get_close_matches(key.lower(), kinds, n=3, cutoff=0.6)
    others = sorted(set(kinds) - set(close))
    return f"There is no filter '{key}': use one of {', '.join([*close, *others])}."


def _as_kind(key: str, value: Scalar, kind: Kind) -> Scalar:
    if kind == "keyword":
        return str(value)
    if kind == "bool":
        return _as_boolean(key, value)
    number = None if isinstance(value, bool) else _to_number(str(value))
    if number is None or abs(number) > _LARGEST_NUMBER:
        raise InvalidInput(f"Filter '{key}' takes numbers up to 2^53, not '{value}'.")
    if kind == "float":
        return number
    if not number.is_integer():
        raise InvalidInput(f"Filter '{key}' takes whole numbers, not '{value}'.")
    return int(number)


def _as_boolean(key: str, value: Scalar) -> bool:
    known = _BOOLEANS.get(str(value).lower())
    if known is None:
        raise InvalidInput(f"Filter '{key}' takes true or false, not '{value}'.")
    return known


def _to_number(text: str) -> float | None:
    """`text` as a finite number, else None."""
    if not re.fullmatch(_NUMBER, text) or not math.isfinite(float(text)):
        return None
    return float(text)
