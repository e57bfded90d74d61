"""Qdrant's conditions, as they come over the wire, in the terms of Qdrant Edge.

Edge's Python binding (0.9) turns a boolean in a condition into 1 or 0, which matches no stored
boolean. The real server has no such trouble. So every payload is kept with a shadow of its booleans
as words beside it, and conditions on a boolean ask the shadow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qdrant_edge as engine
from qdrant_client import models

SHADOW = "booleans_of_"


class NotUnderstood(Exception):
    """A condition or request that the stand-in does not know: it is not the whole of Qdrant."""


def with_shadow(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload with a shadow beside every key: keys are replaced one by one later."""
    return {**payload, **{SHADOW + key: _words(value) for key, value in payload.items()}}


def without_shadow(payload: dict[str, Any] | None) -> dict[str, Any] | None:
    if payload is None:
        return None
    return {key: value for key, value in payload.items() if not key.startswith(SHADOW)}


def engine_filter(wanted: models.Filter | None) -> Any:
    """Raises `NotUnderstood` for a condition that is not here."""
    if wanted is None:
        return None
    if wanted.min_should is not None:
        raise NotUnderstood("min_should")
    return engine.Filter(
        must=_conditions(wanted.must),
        should=_conditions(wanted.should),
        must_not=_conditions(wanted.must_not),
    )


def _conditions(given: models.Condition | Sequence[models.Condition] | None) -> list[Any] | None:
    if given is None:
        return None
    return [_condition(one) for one in (given if isinstance(given, list) else [given])]


def _condition(given: Any) -> Any:
    match given:
        case models.Filter():
            return engine_filter(given)
        case models.HasIdCondition():
            return engine.HasIdCondition(set(given.has_id))
        case models.FieldCondition():
            return _field(given)
    raise NotUnderstood(type(given).__name__)


def _field(given: models.FieldCondition) -> Any:
    unknown = given.model_fields_set - {"key", "match", "range"}
    if unknown:
        raise NotUnderstood(", ".join(sorted(unknown)))
    match given.match:
        case models.MatchValue(value=bool(value)):
            word = engine.MatchValue(_words(value))
            return engine.FieldCondition(SHADOW + given.key, match=word)
        case models.MatchValue(value=value):
            return engine.FieldCondition(given.key, match=engine.MatchValue(value))
        case models.MatchAny(any=values):
            return engine.FieldCondition(given.key, match=engine.MatchAny(any=values))
        case None if isinstance(given.range, models.Range):
            return engine.FieldCondition(given.key, range=_range(given.range))
    raise NotUnderstood(f"the condition on {given.key}")


def _range(given: models.Range) -> Any:
    return engine.RangeFloat(gte=given.gte, gt=given.gt, lte=given.lte, lt=given.lt)


def _words(value: Any) -> Any:
    """The booleans of a value as words, in its shape; anything else becomes null."""
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            return {key: _words(inner) for key, inner in value.items()}
        case list():
            return [_words(inner) for inner in value]
    return None
