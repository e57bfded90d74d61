"""Whole numbers as JSON Schema means them: 24 and 24.0, but neither "24" nor true."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

LARGEST = 2**31 - 1
"""That a column of the databases holds."""


def _no_text(given: Any) -> Any:
    if isinstance(given, str | bytes | bool):
        raise ValueError("it must be a whole number")  # noqa: TRY004 - the one pydantic tells
    return given


WholeNumber = Annotated[int, BeforeValidator(_no_text)]
