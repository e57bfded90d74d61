"""What Qdrant Edge is given and what it gives back.

Its Python binding (0.9) turns a boolean in a condition into 1 or 0, which then matches no stored
boolean. So boolean attributes are stored a second time as the words true and false, under
`booleans`, and filtered and counted there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import qdrant_edge as engine

from backend.gallery.attributes import ATTRIBUTE_PREFIX
from backend.gallery.filters import Condition, Filter, Kind, Scalar
from backend.gallery.layout import QUANTILE, Layout, QuantizationKind
from backend.gallery.port import SCORE_DECIMALS, Hit, Payload, Stored, Vector, only

_BOOLEANS = "booleans"
_SCHEMAS = {
    "keyword": engine.PayloadSchemaType.Keyword,
    "integer": engine.PayloadSchemaType.Integer,
    "float": engine.PayloadSchemaType.Float,
    "bool": engine.PayloadSchemaType.Keyword,
}
_KINDS: dict[str, Kind] = {"Keyword": "keyword", "Integer": "integer", "Float": "float"}


def engine_point(point_id: str, point: Stored) -> Any:
    fields = payload_fields({**point.payload, "norm": point.norm})
    return engine.Point(point_id, point.vector.tolist(), fields)


def payload_fields(payload: Payload) -> Payload:
    """The payload as stored, with its booleans doubled."""
    attributes = payload.get("attributes", {})
    words = {slug: _word(value) for slug, value in attributes.items() if isinstance(value, bool)}
    return {**payload, _BOOLEANS: words}


def payload_selector(keys: Sequence[str] | None, *also: str) -> bool | list[str]:
    """What the engine is told to read: all, nothing, or these keys."""
    if keys is None:
        return True
    return [*keys, *also] or False


def stored_from(record: Any, keys: Sequence[str] | None) -> Stored:
    vector = np.asarray(record.vector, dtype=np.float32)
    return Stored(vector, record.payload["norm"], only(payload_from(record), keys))


def hit_from(scored: Any) -> Hit:
    return Hit(str(scored.id), round(scored.score, SCORE_DECIMALS), payload_from(scored))


def payload_from(record: Any) -> Payload:
    payload: Payload = record.payload or {}
    return {key: value for key, value in payload.items() if key != _BOOLEANS}


def index_operation(key: str, kind: Kind) -> Any:
    return engine.UpdateOperation.create_field_index(indexed_path(key, kind), _SCHEMAS[kind])


def indexed_path(key: str, kind: Kind) -> str:
    """Where the index over `key` (a built-in key or attributes.<slug>) lies."""
    if kind == "bool":
        return f"{_BOOLEANS}.{key.removeprefix(ATTRIBUTE_PREFIX)}"
    return key


def attribute_kinds(schema: Mapping[str, Any]) -> dict[str, Kind]:
    """The indexed attributes of a shard, from its own account of its indexes."""
    kinds: dict[str, Kind] = {}
    for path, index in schema.items():
        parent, _, slug = path.partition(".")
        if parent == _BOOLEANS:
            kinds[slug] = "bool"
        elif slug:
            kinds[slug] = _KINDS[str(index.data_type).rpartition(".")[2]]
    return kinds


def engine_filter(
    filter: Filter | None,  # noqa: A002 (the port's word)
    exclude_products: Sequence[str] = (),
    exclude_ids: Sequence[str] = (),
) -> Any:
    """A filter with must and must_not: a negated condition is met by points without the field."""
    conditions = filter.conditions if filter else ()
    must = [_engine_condition(c) for c in conditions if not c.negate]
    must_not = [_engine_condition(c) for c in conditions if c.negate]
    if exclude_products:
        products = engine.MatchAny(any=list(exclude_products))
        must_not.append(engine.FieldCondition("product", match=products))
    if exclude_ids:
        must_not.append(engine.HasIdCondition(set(exclude_ids)))
    return engine.Filter(must=must, must_not=must_not)


def quantization_config(kind: QuantizationKind) -> Any:
    if kind == "scalar":
        return engine.ScalarQuantizationConfig(
            type=engine.ScalarType.Int8, quantile=QUANTILE, always_ram=True
        )
    return engine.BinaryQuantizationConfig(always_ram=True) if kind == "binary" else None


def search_params(layout: Layout) -> Any:
    codes = layout.quantization
    # Codes that are left of another setting are passed by until the gallery is written anew.
    asked = engine.QuantizationSearchParams(
        ignore=codes.kind in {None, "none"},
        rescore=codes.rescore,
        oversampling=codes.oversampling if codes.rescore else None,
    )
    return engine.SearchParams(hnsw_ef=layout.hnsw_ef, quantization=asked)


def exact_params() -> Any:
    return engine.SearchParams(exact=True)


def having_ids(ids: Sequence[str]) -> Any:
    return engine.Filter(must=[engine.HasIdCondition(set(ids))])


def engine_query(
    unit: Vector,
    limit: int,
    filter: Any,  # noqa: A002 (the port's word)
    payload: bool | list[str] = False,
    params: Any = None,
) -> Any:
    query = engine.Query.Nearest(unit.tolist())
    return engine.SearchRequest(
        query=query, limit=limit, filter=filter, with_payload=payload, params=params
    )


def _engine_condition(condition: Condition) -> Any:
    if not condition.values:
        return _span(condition.path, condition.gte, condition.lte)
    return engine.Filter(should=[_equals(condition, value) for value in condition.values])


def _equals(condition: Condition, value: Scalar) -> Any:
    if isinstance(value, bool):
        path = indexed_path(condition.path, "bool")
        return engine.FieldCondition(path, match=engine.MatchValue(_word(value)))
    if isinstance(value, str):
        return engine.FieldCondition(condition.path, match=engine.MatchValue(value))
    # Numbers as a range, so that 10 finds 10.0 and the other way round.
    return _span(condition.path, value, value)


def _span(path: str, low: float | None, high: float | None) -> Any:
    return engine.FieldCondition(path, range=engine.RangeFloat(gte=low, lte=high))


def _word(value: bool) -> str:
    return "true" if value else "false"
