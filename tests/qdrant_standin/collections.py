"""The collections of a stand-in: a folder each, with one shard of Qdrant Edge in it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import qdrant_edge as engine
from qdrant_client import models

from tests.qdrant_standin.collection_layout import (
    changed_layout,
    edge_config,
    layout_of,
    read_layout,
    search_params,
    told_config,
    write_layout,
)
from tests.qdrant_standin.conditions import (
    NotUnderstood,
    engine_filter,
    with_shadow,
    without_shadow,
)

CONFIG_FILE = "edge_config.json"
FLUSH_EVERY = 10_000  # points written: the write-ahead log grows until then


class Collection:
    """One shard; answers are the `result` of Qdrant's answers. Callers take turns.

    What has been answered survives a kill: the write-ahead log is the kernel's by then.
    """

    def __init__(self, path: Path) -> None:
        shutil.rmtree(path / "temp_segments", ignore_errors=True)
        self._path = path
        self._layout = read_layout(path)
        self._shard: Any = engine.EdgeShard.load(str(path), edge_config(self._layout))
        self._writes = 0
        self._unflushed = 0

    def info(self) -> dict[str, Any]:
        info = self._shard.info()
        schema = {
            path: {"data_type": _kind(index), "points": index.points}
            for path, index in info.payload_schema.items()
        }
        return {
            "status": "green",
            "optimizer_status": "ok",
            "indexed_vectors_count": info.indexed_vectors_count,
            "points_count": info.points_count,
            "segments_count": info.segments_count,
            "config": told_config(self._layout),
            "payload_schema": schema,
        }

    def change(self, asked: models.UpdateCollection) -> bool:
        """At once, where a server goes on answering meanwhile."""
        self._layout = changed_layout(self._layout, asked)
        write_layout(self._path, self._layout)
        self.close()
        self._shard = engine.EdgeShard.load(str(self._path), edge_config(self._layout))
        self._shard.optimize()
        return True

    def create_index(self, asked: models.CreateFieldIndex) -> dict[str, Any]:
        if not isinstance(asked.field_schema, models.PayloadSchemaType):
            raise NotUnderstood("an index with parameters")
        kind = getattr(engine.PayloadSchemaType, asked.field_schema.value.capitalize())
        return self._update(engine.UpdateOperation.create_field_index(asked.field_name, kind))

    def upsert(self, points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        given = [
            engine.Point(p["id"], p["vector"], with_shadow(p.get("payload") or {})) for p in points
        ]
        return self._update(engine.UpdateOperation.upsert_points(given), len(given))

    def delete(self, asked: models.PointIdsList) -> dict[str, Any]:
        operation = engine.UpdateOperation.delete_points(asked.points)
        return self._update(operation, len(asked.points))

    def batch(self, asked: models.UpdateOperations) -> list[dict[str, Any]]:
        return [self._set_payload(operation) for operation in asked.operations]

    def query(self, asked: models.QueryRequest) -> dict[str, Any]:
        nearest = (
            asked.query.nearest if isinstance(asked.query, models.NearestQuery) else asked.query
        )
        if not isinstance(nearest, list) or asked.prefetch is not None:
            raise NotUnderstood("this kind of query")
        request = engine.SearchRequest(
            query=engine.Query.Nearest(nearest),
            limit=asked.limit or 10,
            offset=asked.offset or 0,
            filter=engine_filter(asked.filter),
            params=search_params(asked.params),
            with_payload=_selector(asked.with_payload, default=False),
            with_vector=bool(asked.with_vector),
        )
        hits = self._shard.search(request)
        return {"points": [_scored(hit) for hit in hits]}

    def query_batch(self, asked: models.QueryRequestBatch) -> list[dict[str, Any]]:
        return [self.query(one) for one in asked.searches]

    def retrieve(self, asked: models.PointRequest) -> list[dict[str, Any]]:
        records = self._shard.retrieve(
            asked.ids,
            with_payload=_selector(asked.with_payload, default=True),
            with_vector=bool(asked.with_vector),
        )
        return [_record(record) for record in records]

    def scroll(self, asked: models.ScrollRequest) -> dict[str, Any]:
        request = engine.ScrollRequest(
            offset=asked.offset,
            limit=asked.limit or 10,
            filter=engine_filter(asked.filter),
            with_payload=_selector(asked.with_payload, default=True),
            with_vector=bool(asked.with_vector),
        )
        records, following = self._shard.scroll(request)
        points = [_record(record) for record in records]
        return {"points": points, "next_page_offset": _id(following)}

    def facet(self, asked: models.FacetRequest) -> dict[str, Any]:
        request = engine.FacetRequest(
            asked.key,
            limit=asked.limit or 10,
            exact=bool(asked.exact),
            filter=engine_filter(asked.filter),
        )
        hits = self._shard.facet(request).hits
        return {"hits": [{"value": hit.value, "count": hit.count} for hit in hits]}

    def count(self, asked: models.CountRequest) -> dict[str, Any]:
        exact = asked.exact is not False
        request = engine.CountRequest(exact=exact, filter=engine_filter(asked.filter))
        return {"count": self._shard.count(request)}

    def close(self) -> None:
        self._shard.flush()
        self._shard.close()

    def _set_payload(self, operation: models.UpdateOperation) -> dict[str, Any]:
        asked = getattr(operation, "set_payload", None)
        if asked is None or asked.filter is None or asked.key is not None:
            raise NotUnderstood(f"a batch of {type(operation).__name__}")
        change = engine.UpdateOperation.set_payload_by_filter(
            engine_filter(asked.filter), with_shadow(asked.payload)
        )
        return self._update(change, 1)

    def _update(self, operation: Any, size: int = 0) -> dict[str, Any]:
        self._shard.update(operation)
        self._writes += 1
        self._unflushed += size
        if self._unflushed >= FLUSH_EVERY:
            self._shard.flush()
            self._unflushed = 0
        return {"operation_id": self._writes, "status": "completed"}


class Collections:
    """All of them, by name; one call at a time."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._open: dict[str, Collection] = {}
        self._turn = threading.Lock()

    def names(self) -> list[str]:
        with self._turn:
            return sorted(path.parent.name for path in self._folder.glob(f"[!.]*/{CONFIG_FILE}"))

    def create(self, name: str, asked: models.CreateCollection) -> bool:
        """False if there is one of that name."""
        layout = layout_of(asked)
        with self._turn:
            if (self._folder / name).exists():
                return False
            # Made aside and renamed, so that a kill leaves no half-made one under its name.
            aside = self._folder / f".new-{name}"
            shutil.rmtree(aside, ignore_errors=True)
            shard = engine.EdgeShard.create(str(aside), edge_config(layout))
            shard.close()
            write_layout(aside, layout)
            aside.rename(self._folder / name)
            return True

    def drop(self, name: str) -> bool:
        """False if there is none of that name."""
        with self._turn:
            if opened := self._open.pop(name, None):
                opened.close()
            if not (self._folder / name).exists():
                return False
            aside = self._folder / f".dropped-{name}"
            shutil.rmtree(aside, ignore_errors=True)
            (self._folder / name).rename(aside)
            shutil.rmtree(aside)
            return True

    def ask(self, name: str, question: Callable[[Collection], Any]) -> Any:
        """What the collection answers; raises `KeyError` if there is none of that name."""
        with self._turn:
            if name not in self._open:
                if not (self._folder / name / CONFIG_FILE).exists():
                    raise KeyError(name)
                self._open[name] = Collection(self._folder / name)
            return question(self._open[name])

    def close(self) -> None:
        with self._turn:
            for opened in self._open.values():
                opened.close()
            self._open.clear()


def _selector(asked: Any, *, default: bool) -> Any:
    """Everything, nothing, or the named keys; the shadow comes along with everything only."""
    if asked is None:
        return default
    if not isinstance(asked, bool | list):
        raise NotUnderstood("this choice of payload")
    return asked


def _kind(index: Any) -> str:
    return str(index.data_type).rpartition(".")[2].lower()


def _id(point_id: Any) -> Any:
    return str(point_id) if isinstance(point_id, UUID) else point_id


def _record(record: Any) -> dict[str, Any]:
    return {
        "id": _id(record.id),
        "payload": without_shadow(record.payload),
        "vector": record.vector,
    }


def _scored(hit: Any) -> dict[str, Any]:
    return {**_record(hit), "version": hit.version, "score": hit.score}
