"""Galleries in the process itself: Qdrant Edge, one shard (a folder) a gallery.

Facts of the engine this file is built round, found by trying version 0.9: its calls hold the
interpreter lock, `optimize` for many seconds, so that one runs in a child process; its write-ahead
log grows until `flush`; and it knows one type of failure, `Exception`.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import qdrant_edge as engine
from numpy.typing import ArrayLike

from backend.errors import Conflict, NotFound, Unavailable
from backend.gallery.attributes import facet_kind, is_indexed
from backend.gallery.edge_shard import (
    CONFIG_FILE,
    load_shard,
    make_shard,
    optimise_shard,
    shard_dim,
)
from backend.gallery.edge_translation import (
    attribute_kinds,
    engine_filter,
    engine_point,
    hit_from,
    index_operation,
    indexed_path,
    payload_fields,
    stored_from,
)
from backend.gallery.filters import Filter, Kind, Scalar
from backend.gallery.port import (
    Hit,
    Payload,
    Point,
    Stored,
    check_ids,
    check_name,
    normalised,
    unit_vector,
)
from backend.gallery.window import ordered_window

# Below this many points exact search is fast enough (50,000 x 512: 9 ms on two busy cores).
EXACT_BELOW = 100_000
FLUSH_EVERY = 10_000  # points written


class EdgeGallery:
    """One shard. Methods as in `backend.gallery.port.Gallery`."""

    def __init__(self, path: Path, exact_below: int = EXACT_BELOW) -> None:
        self.name = path.name
        self.dim = shard_dim(path)
        self._path = path
        self._exact_below = exact_below
        self._unflushed = 0
        self._lock = threading.RLock()
        self._shard: Any = load_shard(path)
        self._attributes: dict[str, Kind] = attribute_kinds(self._shard.info().payload_schema)

    def upsert(self, points: Sequence[Point]) -> None:
        self.restore(normalised(points, self.dim))

    def restore(self, stored: Mapping[str, Stored]) -> None:
        points = [engine_point(point_id, point) for point_id, point in stored.items()]
        self._update(engine.UpdateOperation.upsert_points(points), len(points))

    def delete(self, ids: Sequence[str]) -> None:
        check_ids(ids)
        self._update(engine.UpdateOperation.delete_points(list(ids)), len(ids))

    def set_payload(self, payloads: Mapping[str, Payload]) -> None:
        check_ids(list(payloads))
        for point_id, payload in payloads.items():
            # By filter, because by id the engine fails when one is missing.
            only = engine.Filter(must=[engine.HasIdCondition({point_id})])
            fields = payload_fields({**payload})
            fields.pop("norm", None)
            self._update(engine.UpdateOperation.set_payload_by_filter(only, fields), 1)

    def search(
        self,
        vector: ArrayLike,
        *,
        filter: Filter | None = None,  # noqa: A002
        limit: int,
        offset: int = 0,
        exclude_products: Sequence[str] = (),
        exclude_ids: Sequence[str] = (),
    ) -> list[Hit]:
        unit, _ = unit_vector(vector, self.dim, "the query")
        check_ids(exclude_ids)
        query = engine.Query.Nearest(unit.tolist())
        conditions = engine_filter(filter, exclude_products, exclude_ids)

        def nearest(count: int) -> list[Hit]:
            request = engine.SearchRequest(
                query=query, limit=count, filter=conditions, with_payload=True
            )
            with self._lock:
                found = self._open_shard().search(request)
            return [hit_from(scored) for scored in found]

        return ordered_window(nearest, offset, limit)

    def fetch(self, ids: Sequence[str]) -> dict[str, Stored]:
        check_ids(ids)
        with self._lock:
            records = self._open_shard().retrieve(list(ids), with_payload=True, with_vector=True)
        return {str(record.id): stored_from(record) for record in records}

    def facets(
        self,
        key: str,
        *,
        filter: Filter | None = None,  # noqa: A002
        limit: int = 100,
    ) -> list[tuple[Scalar, int]]:
        kind = facet_kind(key, self._attributes)
        request = engine.FacetRequest(
            indexed_path(key, kind), limit=limit, exact=True, filter=engine_filter(filter)
        )
        with self._lock:
            hits = self._open_shard().facet(request).hits
        counts = [(h.value == "true" if kind == "bool" else h.value, h.count) for h in hits]
        return sorted(counts, key=lambda pair: (-pair[1], pair[0]))

    def scroll(self, after: str | None, limit: int) -> list[str]:
        check_ids([] if after is None else [after])
        request = engine.ScrollRequest(
            offset=after, limit=limit + 1, with_payload=False, with_vector=False
        )
        with self._lock:
            records, _ = self._open_shard().scroll(request)
        return [i for i in (str(record.id) for record in records) if i != after][:limit]

    def count(self, filter: Filter | None = None) -> int:  # noqa: A002
        request = engine.CountRequest(exact=True, filter=engine_filter(filter))
        with self._lock:
            return int(self._open_shard().count(request))

    def index_attribute(self, slug: str, kind: Kind) -> None:
        with self._lock:
            if not is_indexed(slug, kind, self._attributes):
                self._update(index_operation(f"attributes.{slug}", kind), 0)
                self._attributes[slug] = kind

    def indexed_attributes(self) -> dict[str, Kind]:
        return dict(self._attributes)

    def optimise(self) -> None:
        """Build the search graph in a child process while the shard is closed; calls wait for it.

        Below `EXACT_BELOW` points nothing is done: exact search is fast enough there.
        """
        with self._lock:
            if self.count() < self._exact_below:
                return
            self.close()
            try:
                optimise_shard(self._path)
            finally:
                self._shard = load_shard(self._path)

    @property
    def is_closed(self) -> bool:
        return self._shard is None

    def close(self) -> None:
        with self._lock:
            if self._shard is not None:
                self._shard.flush()
                self._shard.close()
                self._shard = None

    def _update(self, operation: Any, size: int) -> None:
        with self._lock:
            shard = self._open_shard()
            shard.update(operation)
            self._unflushed += size
            if self._unflushed >= FLUSH_EVERY:
                shard.flush()
                self._unflushed = 0

    def _open_shard(self) -> Any:
        if self._shard is None:
            raise Unavailable(f"Gallery '{self.name}' is closed: open it again.")
        return self._shard


class EdgeGalleryStore:
    """The shards in one folder. Methods as in `backend.gallery.port.GalleryStore`."""

    def __init__(self, folder: Path, exact_below: int = EXACT_BELOW) -> None:
        self._folder = folder
        self._exact_below = exact_below
        self._galleries: dict[str, EdgeGallery] = {}
        self._lock = threading.RLock()
        folder.mkdir(parents=True, exist_ok=True)

    def create(self, name: str, dim: int) -> EdgeGallery:
        check_name(name)
        with self._lock:
            path = self._folder / name
            if path.exists():
                raise Conflict(f"A gallery named '{name}' exists already: open or drop it.")
            # Made aside and renamed, so that a kill leaves no half-made gallery under its name.
            aside = self._folder / f".new-{name}"
            shutil.rmtree(aside, ignore_errors=True)
            make_shard(aside, dim)
            aside.rename(path)
            return self.open(name)

    def open(self, name: str) -> EdgeGallery:
        check_name(name)
        with self._lock:
            gallery = self._galleries.get(name)
            if gallery is None or gallery.is_closed:
                if name not in self.names():
                    raise NotFound(f"There is no gallery named '{name}'.")
                gallery = EdgeGallery(self._folder / name, self._exact_below)
                self._galleries[name] = gallery
            return gallery

    def drop(self, name: str) -> None:
        check_name(name)
        with self._lock:
            if gallery := self._galleries.pop(name, None):
                gallery.close()
            aside = self._folder / f".dropped-{name}"
            shutil.rmtree(aside, ignore_errors=True)
            if (self._folder / name).exists():
                (self._folder / name).rename(aside)
                shutil.rmtree(aside)

    def names(self) -> list[str]:
        found = (path.parent.name for path in self._folder.glob(f"*/{CONFIG_FILE}"))
        return sorted(name for name in found if not name.startswith("."))

    def close(self) -> None:
        with self._lock:
            for gallery in self._galleries.values():
                gallery.close()
            self._galleries.clear()
