"""What the fields of a product may be: cleaned, bounded, and in one form each."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from backend.catalogue.unicode_forms import composed


def sku_form(text: str) -> str:
    """The one form that SKUs are stored and looked up in: composed, and each run of blanks as one,
    since no screen shows a difference."""
    return re.sub(" +", " ", composed(text)).strip()


def _texts(change: Callable[[str], str]) -> BeforeValidator:
    """To stand behind the constraints, since pydantic goes through what is before a value last to
    first; what is no text is left to them."""
    return BeforeValidator(lambda value: change(value) if isinstance(value, str) else value)


def _printable(sku: str) -> str:
    if not sku.isprintable():
        raise ValueError("every character must be one that can be printed")
    return sku


def _as_list(value: Any) -> Any:
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str) else value


Sku = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    _texts(sku_form),
    AfterValidator(_printable),
]
"""In one form: see `sku_form`. Upper and lower case are different SKUs."""
ColumnName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
ColumnNames = Annotated[list[ColumnName], BeforeValidator(_as_list), Field(max_length=50)]
ProductId = Annotated[str, StringConstraints(max_length=36)]
Title = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), _texts(composed)
]
Category = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), _texts(composed)
]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Price = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)]
