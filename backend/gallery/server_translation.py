"""What qdrant-client is given and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from qdrant_client import models

from backend.gallery.attributes import ATTRIBUTE_PREFIX
from backend.gallery.filters import Condition, Filter, Kind, Scalar
from backend.gallery.port import SCORE_DECIMALS, Hit, Stored, Vector, only

_KINDS: dict[models.PayloadSchemaType, Kind] = {
    models.PayloadSchemaType.KEYWORD: "keyword",
    models.PayloadSchemaType.INTEGER: "integer",
    models.PayloadSchemaType.FLOAT: "float",
    models.PayloadSchemaType.BOOL: "bool",
}


def point_struct(point_id: str, point: Stored) -> models.PointStruct:
    payload = {**point.payload, "norm": point.norm}
    return models.PointStruct(id=point_id, vector=point.vector.tolist(), payload=payload)


def payload_selector(keys: Sequence[str] | None, *also: str) -> bool | list[str]:
    """What the server is told to send: all, nothing, or these keys."""
    if keys is None:
        return True
    return [*keys, *also] or False


def stored_from(record: models.Record, keys: Sequence[str] | None) -> Stored:
    payload = record.payload or {}
    vector = np.asarray(record.vector, dtype=np.float32)
    return Stored(vector, payload["norm"], only(payload, keys))


def hit_from(scored: models.ScoredPoint) -> Hit:
    return Hit(str(scored.id), round(scored.score, SCORE_DECIMALS), scored.payload or {})


def similarity_requests(
    units: Sequence[Vector], ids: Sequence[str], *, is_local: bool
) -> list[models.QueryRequest]:
    """One search a vector, over these points alone, exact and without payloads."""
    # The local mode is always exact, and warns of parameters.
    params = None if is_local else models.SearchParams(exact=True)
    among = models.Filter(must=[models.HasIdCondition(has_id=list(ids))])
    return [
        models.QueryRequest(query=unit.tolist(), filter=among, limit=len(ids), params=params)
        for unit in units
    ]


def attribute_kinds(schema: Mapping[str, models.PayloadIndexInfo]) -> dict[str, Kind]:
    """The indexed attributes of a collection, from the server's account of its indexes."""
    return {
        path.removeprefix(ATTRIBUTE_PREFIX): _KINDS[index.data_type]
        for path, index in schema.items()
        if path.startswith(ATTRIBUTE_PREFIX)
    }


def server_filter(
    filter: Filter | None,  # noqa: A002 (the port's word)
    exclude_products: Sequence[str] = (),
    exclude_ids: Sequence[str] = (),
) -> models.Filter:
    """A filter with must and must_not: a negated condition is met by points without the field."""
    conditions = filter.conditions if filter else ()
    must: list[models.Condition] = [_condition(c) for c in conditions if not c.negate]
    must_not: list[models.Condition] = [_condition(c) for c in conditions if c.negate]
    if exclude_products:
        products = models.MatchAny(any=list(exclude_products))
        must_not.append(models.FieldCondition(key="product", match=products))
    if exclude_ids:
        must_not.append(models.HasIdCondition(has_id=list(exclude_ids)))
    return models.Filter(must=must or None, must_not=must_not or None)


def _condition(condition: Condition) -> models.Condition:
    """However many texts or whole numbers are named, it is one: strict mode counts them."""
    values, path = condition.values, condition.path
    if not values:
        return _span(path, condition.gte, condition.lte)
    if len(values) > 1 and {type(value) for value in values} in ({str}, {int}):
        any_of = models.MatchAny(any=list(values))
        return models.FieldCondition(key=path, match=any_of)
    return models.Filter(should=[_equals(path, value) for value in values])


def _equals(path: str, value: Scalar) -> models.FieldCondition:
    if isinstance(value, bool | str):
        return models.FieldCondition(key=path, match=models.MatchValue(value=value))
    # Numbers as a range, so that 10 finds 10.0 and the other way round.
    return _span(path, value, value)


def _span(path: str, low: float | None, high: float | None) -> models.FieldCondition:
    return models.FieldCondition(key=path, range=models.Range(gte=low, lte=high))
