"""How a collection is laid out: kept and told as a server does, done as far as Edge does it.

Quantization and the search parameters are the real engine's. Shards, replicas, strict mode and
what lies on disk are only kept and told.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import qdrant_edge as engine
from qdrant_client import models

from tests.qdrant_standin.conditions import NotUnderstood

LAYOUT_FILE = "layout.json"
# What a server of default settings says of itself; the client insists on being told.
_HNSW = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000}
_OPTIMIZER = {"default_segment_number": 0, "flush_interval_sec": 5}
_PARAMS = ("shard_number", "replication_factor", "write_consistency_factor", "on_disk_payload")
_CONFIGS = ("hnsw_config", "quantization_config", "strict_mode_config")
_KNOWN = {"vectors", *_PARAMS, *_CONFIGS}

Layout = dict[str, Any]


def layout_of(asked: models.CreateCollection) -> Layout:
    """Raises `NotUnderstood` for what the stand-in does not keep."""
    if not isinstance(asked.vectors, models.VectorParams) or asked.model_fields_set - _KNOWN:
        raise NotUnderstood("a collection with more than one unnamed vector")
    layout: Layout = asked.model_dump(mode="json", exclude_none=True)
    return layout


def changed_layout(layout: Layout, asked: models.UpdateCollection) -> Layout:
    change = asked.model_dump(mode="json", exclude_none=True)
    changed = {**layout, **change.pop("params", {})}
    for name in ("hnsw_config", "strict_mode_config"):
        changed[name] = {**layout.get(name, {}), **change.pop(name, {})}
    changed["vectors"] = {**layout["vectors"], **change.pop("vectors", {}).get("", {})}
    codes = change.pop("quantization_config", None)
    if change:
        raise NotUnderstood(", ".join(change))
    if codes == models.Disabled.DISABLED.value:
        changed.pop("quantization_config", None)
    elif codes:
        changed["quantization_config"] = codes
    return changed


def edge_config(layout: Layout) -> Any:
    vectors, codes = layout["vectors"], layout.get("quantization_config", {})
    params = engine.EdgeVectorParams(
        size=vectors["size"],
        distance=getattr(engine.Distance, vectors["distance"]),
        quantization_config=_codes(codes),
    )
    return engine.EdgeConfig(vectors=params)


def told_config(layout: Layout) -> dict[str, Any]:
    return {
        "params": {"vectors": layout["vectors"], **{k: layout.get(k) for k in _PARAMS}},
        "hnsw_config": {**_HNSW, **layout.get("hnsw_config", {})},
        "optimizer_config": _OPTIMIZER,
        "quantization_config": layout.get("quantization_config"),
        "strict_mode_config": layout.get("strict_mode_config") or None,
    }


def read_layout(path: Path) -> Layout:
    layout: Layout = json.loads((path / LAYOUT_FILE).read_text())
    return layout


def write_layout(path: Path, layout: Layout) -> None:
    (path / LAYOUT_FILE).write_text(json.dumps(layout))


def search_params(asked: models.SearchParams | None) -> Any:
    if asked is None:
        return None
    if asked.model_fields_set - {"exact", "hnsw_ef", "quantization"}:
        raise NotUnderstood("these search parameters")
    codes = asked.quantization
    quantization = None
    if codes is not None:
        quantization = engine.QuantizationSearchParams(
            ignore=bool(codes.ignore), rescore=codes.rescore, oversampling=codes.oversampling
        )
    return engine.SearchParams(
        exact=bool(asked.exact), hnsw_ef=asked.hnsw_ef, quantization=quantization
    )


def _codes(asked: dict[str, Any]) -> Any:
    if scalar := asked.get("scalar"):
        return engine.ScalarQuantizationConfig(
            type=engine.ScalarType.Int8,
            quantile=scalar.get("quantile"),
            always_ram=scalar.get("always_ram"),
        )
    if binary := asked.get("binary"):
        return engine.BinaryQuantizationConfig(always_ram=binary.get("always_ram"))
    return None
