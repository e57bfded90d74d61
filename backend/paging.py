"""Lists are paged by cursor: an opaque mark of the last row shown."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, Field

from backend.errors import InvalidInput
from backend.whole_numbers import LARGEST

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """One page of a list, and the cursor of the next."""

    items: list[Item]
    next_cursor: str | None = Field(None, description="Pass as `cursor` for the next page.")
    total: int = Field(description="How many there are on all pages together.")


def encode_cursor(values: list[str | int]) -> str:
    """The cursor for the row with these sort values."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, length: int) -> list[str]:
    """The sort values inside a cursor, as text.

    Raises:
        InvalidInput: if it is not a cursor that Akin gave out.
    """
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InvalidInput(_NOT_OURS) from error
    if not isinstance(values, list) or len(values) != length:
        raise InvalidInput(_NOT_OURS)
    return [str(value) for value in values]


def decode_place(cursor: str) -> tuple[datetime, str]:
    """The moment and the id inside a cursor, the moment as ISO 8601; raises InvalidInput as
    `decode_cursor` does."""
    moment, row_id = decode_cursor(cursor, 2)
    try:
        return datetime.fromisoformat(moment).astimezone(UTC), row_id
    except (ValueError, OverflowError) as error:
        raise InvalidInput(_NOT_OURS) from error


def decode_number(cursor: str) -> int:
    """The one number inside a cursor; raises InvalidInput as `decode_cursor` does."""
    number = decode_cursor(cursor, 1)[0]
    if not is_number(number):
        raise InvalidInput(_NOT_OURS)
    return int(number)


def is_number(text: str) -> bool:
    """Whether a value inside a cursor is a number of a row, or how many there are; a larger one
    PostgreSQL would not compare with them."""
    return text.isdecimal() and len(text) <= _DIGITS and int(text) <= LARGEST


_DIGITS = len(str(LARGEST))  # Python does not even read a number of thousands
_NOT_OURS = "The cursor is not one this list gave out: leave it away to start from the first page."
