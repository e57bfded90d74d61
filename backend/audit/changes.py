"""What differs between two states, small enough to be kept for ever and fit for any database."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence, Set
from itertools import islice
from typing import Any

TEXT = 500
"""Characters that are kept of a text."""
ITEMS = 20
"""Items that are kept of a list."""
FIELDS = 50
"""Fields that are kept of a mapping."""
DEPTH = 3
BYTES, FIELD_BYTES = 8_000, 2_500
"""Of one side of a line as JSON, and of one of its fields."""
MORE = "…"
"""The end of a text that was cut, and the field that says how much was left out."""


def changed(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields that are not alike on both sides; one that is on one side only stays there."""
    absent = object()
    names = [
        name
        for name in dict.fromkeys([*before, *after])
        if before.get(name, absent) != after.get(name, absent)
    ]
    old, new = ({name: side[name] for name in names if name in side} for side in (before, after))
    return old, new


def bounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same as JSON that every database takes, at most `BYTES` long: long texts and lists are
    cut, and what is left out is counted."""
    kept = _mapping(values, 0)
    kept = {name: _shortened(value) for name, value in kept.items()}
    while _size(kept) > BYTES:
        kept.pop(MORE, None)
        kept.popitem()
        kept[MORE] = f"{len(values) - len(kept):,} more"
    return kept


def cut(text: str, length: int) -> str:
    """The text as any database holds it: no longer than `length`, without NUL and half
    characters."""
    clean = text[: length + 1].replace("\0", "\ufffd")
    clean = clean.encode("utf-8", "replace").decode()
    return clean if len(clean) <= length else clean[: length - 1] + MORE


def _mapping(values: Mapping[str, Any], depth: int) -> dict[str, Any]:
    kept = {
        cut(str(name), 100): _plain(value, depth + 1)
        for name, value in islice(values.items(), FIELDS)
    }
    if len(values) > FIELDS:
        kept[MORE] = f"{len(values) - FIELDS:,} more"
    return kept


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping) and depth < DEPTH:
        return _mapping(value, depth)
    if isinstance(value, Sequence | Set) and not isinstance(value, str | bytes) and depth < DEPTH:
        kept = [_plain(one, depth + 1) for one in islice(value, ITEMS)]
        return kept + ([f"{len(value) - ITEMS:,} more"] if len(value) > ITEMS else [])
    return cut(str(value), TEXT)


def _shortened(value: Any) -> Any:
    if _size(value) <= FIELD_BYTES:
        return value
    return cut(json.dumps(value, ensure_ascii=False), TEXT)


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
