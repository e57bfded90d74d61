"""How a collection is laid out: what a Qdrant server is told, and what it says of itself."""

from __future__ import annotations

from typing import Any

from qdrant_client import models

from backend.gallery.layout import QUANTILE, Laid, Layout, QuantizationKind, ServerLayout
from backend.gallery.window import MOST

# Above what Akin itself asks for, so that only other clients of the server meet them.
MOST_POINTS_WRITTEN = 1_000
MOST_CONDITIONS = 256
LARGEST_CONDITION = 10_000  # values or ids in one


def creation(layout: Layout, dim: int) -> dict[str, Any]:
    """What `create_collection` is given; what no setting names is left to the server."""
    wanted = layout.server
    vectors = models.VectorParams(
        size=dim, distance=models.Distance.COSINE, on_disk=wanted.vectors_on_disk
    )
    given = {
        "vectors_config": vectors,
        "shard_number": wanted.shards,
        "replication_factor": wanted.replicas,
        "write_consistency_factor": wanted.write_consistency,
        "on_disk_payload": wanted.payload_on_disk,
        "hnsw_config": _hnsw(wanted),
        "quantization_config": _codes(layout.quantization.kind),
        "strict_mode_config": _strict(layout) if wanted.strict else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def change(layout: Layout, info: models.CollectionInfo) -> dict[str, Any]:
    """What `update_collection` is given to follow the settings; empty where nothing is amiss."""
    wanted, held = layout.server, info.config
    given: dict[str, Any] = {}
    codes = layout.quantization.kind
    if codes is not None and codes != kind_of(info):
        given["quantization_config"] = _codes(codes) or models.Disabled.DISABLED
    hnsw = _hnsw(wanted)
    if hnsw and not _holds(held.hnsw_config, hnsw):
        given["hnsw_config"] = hnsw
    params = models.CollectionParamsDiff(
        replication_factor=wanted.replicas,
        write_consistency_factor=wanted.write_consistency,
        on_disk_payload=wanted.payload_on_disk,
    )
    if not _holds(held.params, params):
        given["collection_params"] = params
    vectors = models.VectorParamsDiff(on_disk=wanted.vectors_on_disk)
    if not _holds(held.params.vectors, vectors):
        given["vectors_config"] = {"": vectors}
    strict = _strict(layout) if wanted.strict else models.StrictModeConfig(enabled=False)
    is_strict = bool(held.strict_mode_config and held.strict_mode_config.enabled)
    differs = wanted.strict != is_strict
    if is_strict and not _holds(held.strict_mode_config, strict):
        differs = True
    if wanted.strict is not None and differs:
        given["strict_mode_config"] = strict
    return given


def search_params(layout: Layout) -> models.SearchParams:
    codes = layout.quantization
    # Codes that are left of another setting are passed by while the server writes anew.
    asked = models.QuantizationSearchParams(
        ignore=codes.kind == "none",
        rescore=codes.rescore,
        oversampling=codes.oversampling if codes.rescore else None,
    )
    return models.SearchParams(hnsw_ef=layout.hnsw_ef, quantization=asked)


def laid_out(info: models.CollectionInfo, layout: Layout) -> Laid:
    params = info.config.params
    shards, wanted = params.shard_number or 1, layout.server.shards
    differs = None
    if wanted not in {None, shards}:
        differs = (
            f"AKIN_GALLERY_SHARDS={wanted} is for galleries made from now on: the number of shards "
            "of a collection never changes"
        )
    on_disk = isinstance(params.vectors, models.VectorParams) and bool(params.vectors.on_disk)
    return Laid(
        quantization=kind_of(info),
        shards=shards,
        replicas=params.replication_factor or 1,
        vectors_on_disk=on_disk,
        in_graph=info.indexed_vectors_count or 0,
        differs=differs,
    )


def kind_of(info: models.CollectionInfo) -> QuantizationKind:
    """Which codes the collection has; `none` for those that Akin never asks for."""
    held = info.config.quantization_config
    if isinstance(held, models.ScalarQuantization):
        return "scalar"
    return "binary" if isinstance(held, models.BinaryQuantization) else "none"


def _codes(
    kind: QuantizationKind | None,
) -> models.ScalarQuantization | models.BinaryQuantization | None:
    if kind == "scalar":
        scalar = models.ScalarQuantizationConfig(
            type=models.ScalarType.INT8, quantile=QUANTILE, always_ram=True
        )
        return models.ScalarQuantization(scalar=scalar)
    if kind == "binary":
        return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
    return None


def _hnsw(wanted: ServerLayout) -> models.HnswConfigDiff | None:
    if wanted.hnsw_m is None and wanted.hnsw_ef_construct is None:
        return None
    return models.HnswConfigDiff(m=wanted.hnsw_m, ef_construct=wanted.hnsw_ef_construct)


def _strict(layout: Layout) -> models.StrictModeConfig:
    return models.StrictModeConfig(
        enabled=True,
        max_query_limit=MOST,
        search_max_hnsw_ef=max(512, layout.hnsw_ef or 0),
        search_max_oversampling=max(4.0, layout.quantization.oversampling),
        upsert_max_batchsize=MOST_POINTS_WRITTEN,
        filter_max_conditions=MOST_CONDITIONS,
        condition_max_size=LARGEST_CONDITION,
    )


def _holds(held: Any, wanted: Any) -> bool:
    """Whether everything that is wanted is so already."""
    asked = {name: value for name, value in dict(wanted).items() if value is not None}
    return all(getattr(held, name, None) == value for name, value in asked.items())
