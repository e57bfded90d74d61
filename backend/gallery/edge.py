"""Galleries in the process itself: Qdrant Edge, one shard (a folder) a gallery.

A fact of the engine this file is built round, found by trying version 0.9: its calls hold the
interpreter lock, `optimize` for many seconds, so that one runs in a child process. How a shard is
held open, written and flushed is in `backend.gallery.edge_held_shard`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import qdrant_edge as engine
from numpy.typing import ArrayLike

from backend.gallery.attributes import facet_kind, is_indexed
from backend.gallery.edge_codes import are_left, laid_out
from backend.gallery.edge_held_shard import HeldShard
from backend.gallery.edge_shard import (
    check_room_to_optimise,
    is_mostly_dead,
    optimise_shard,
    shard_dim,
)
from backend.gallery.edge_translation import (
    attribute_kinds,
    engine_filter,
    engine_point,
    engine_query,
    exact_params,
    having_ids,
    hit_from,
    index_operation,
    indexed_path,
    payload_fields,
    payload_from,
    payload_selector,
    search_params,
    stored_from,
)
from backend.gallery.filters import Filter, Kind, Scalar
from backend.gallery.layout import Laid, Layout
from backend.gallery.port import (
    Hit,
    Payload,
    Point,
    Stored,
    Vector,
    check_ids,
    normalised,
    unit_vectors,
)
from backend.gallery.window import next_page, ordered_window, scores_by_id

# Below this many points exact search is fast enough (50,000 x 512: 9 ms on two busy cores).
EXACT_BELOW = 100_000
OUTSIDE_GRAPH = 5  # this part of it may lie outside the graph of an optimised gallery


class EdgeGallery:
    """One shard. Methods as in `backend.gallery.port.Gallery`."""

    def __init__(
        self, path: Path, exact_below: int = EXACT_BELOW, layout: Layout | None = None
    ) -> None:
        self.name = path.name
        self.dim = shard_dim(path)
        self._path = path
        self._exact_below = exact_below
        layout = layout or Layout()
        self._codes = layout.quantization.kind
        self._params = search_params(layout)
        self._shard = HeldShard(path, self._codes)
        self._attributes: dict[str, Kind] = attribute_kinds(self._shard.info().payload_schema)

    def upsert(self, points: Sequence[Point]) -> None:
        self.restore(normalised(points, self.dim))

    def restore(self, stored: Mapping[str, Stored]) -> None:
        points = [engine_point(point_id, point) for point_id, point in stored.items()]
        self._shard.update(engine.UpdateOperation.upsert_points(points), len(points))

    def delete(self, ids: Sequence[str]) -> None:
        check_ids(ids)
        self._shard.update(engine.UpdateOperation.delete_points(list(ids)), len(ids))

    def set_payload(self, payloads: Mapping[str, Payload]) -> None:
        check_ids(list(payloads))
        for point_id, payload in payloads.items():
            # By filter, because by id the engine fails when one is missing.
            only = having_ids([point_id])
            fields = payload_fields({**payload})
            fields.pop("norm", None)
            self._shard.update(engine.UpdateOperation.set_payload_by_filter(only, fields), 1)

    def search(
        self,
        vector: ArrayLike,
        *,
        filter: Filter | None = None,  # noqa: A002
        limit: int,
        offset: int = 0,
        exclude_products: Sequence[str] = (),
        exclude_ids: Sequence[str] = (),
        keys: Sequence[str] | None = None,
    ) -> list[Hit]:
        (unit,) = unit_vectors([vector], self.dim)
        check_ids(exclude_ids)
        conditions = engine_filter(filter, exclude_products, exclude_ids)

        def nearest(count: int) -> list[Hit]:
            request = engine_query(unit, count, conditions, payload_selector(keys), self._params)
            with self._shard.reading() as shard:
                found = shard.search(request)
            return [hit_from(scored) for scored in found]

        return ordered_window(nearest, offset, limit)

    def similarities(self, vectors: Sequence[ArrayLike], ids: Sequence[str]) -> dict[str, Vector]:
        check_ids(ids)
        among, units = having_ids(ids), unit_vectors(vectors, self.dim)
        exact = exact_params()
        requests = [engine_query(unit, len(ids), among, params=exact) for unit in units]
        with self._shard.reading() as shard:
            found = [shard.search(request) for request in requests] if ids else []
        return scores_by_id(found)

    def fetch(self, ids: Sequence[str], keys: Sequence[str] | None = None) -> dict[str, Stored]:
        check_ids(ids)
        selector = payload_selector(keys, "norm")
        with self._shard.reading() as shard:
            records = shard.retrieve(list(ids), with_payload=selector, with_vector=True)
        return {str(record.id): stored_from(record, keys) for record in records}

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
        with self._shard.reading() as shard:
            hits = shard.facet(request).hits
        counts = [(h.value == "true" if kind == "bool" else h.value, h.count) for h in hits]
        return sorted(counts, key=lambda pair: (-pair[1], pair[0]))

    def scroll(self, after: str | None, limit: int) -> list[str]:
        return list(self.scroll_payloads(after, limit, ()))

    def scroll_payloads(
        self, after: str | None, limit: int, keys: Sequence[str]
    ) -> dict[str, Payload]:
        check_ids([] if after is None else [after])
        # The engine begins at an id, not after it: one more is asked for, and that one dropped.
        request = engine.ScrollRequest(
            offset=after, limit=limit + 1, with_payload=payload_selector(keys), with_vector=False
        )
        with self._shard.reading() as shard:
            records, _ = shard.scroll(request)
        return next_page(((str(r.id), payload_from(r)) for r in records), after, limit)

    def count(self, filter: Filter | None = None) -> int:  # noqa: A002
        request = engine.CountRequest(exact=True, filter=engine_filter(filter))
        with self._shard.reading() as shard:
            return int(shard.count(request))

    def index_attribute(self, slug: str, kind: Kind) -> None:
        with self._shard.lock:
            if not is_indexed(slug, kind, self._attributes):
                self._shard.update(index_operation(f"attributes.{slug}", kind), 0)
                self._attributes[slug] = kind

    def indexed_attributes(self) -> dict[str, Kind]:
        return dict(self._attributes)

    def optimise(self, begun: Callable[[int], None] | None = None) -> None:
        """Build the search graph, or bring it up to date, in a child process; calls wait for it.

        Nothing is built below `EXACT_BELOW` points, where exact search is fast enough, nor while
        fewer than a fifth as many lie outside the graph, where they are searched exactly. A small
        gallery is only rewritten without what was deleted, once that takes most of its room, and
        without codes of another quantization than the settings say.

        Raises `NoSpace` before anything is begun if the disk may have no room for that.
        """
        with self._shard.lock:
            points = self.count()
            is_large = points >= self._exact_below
            is_stale = are_left(self._path, self._codes) or is_mostly_dead(self._path, points)
            if not is_large and not is_stale:
                return
            check_room_to_optimise(self._path)
            outside = self._exact_below // OUTSIDE_GRAPH if is_large else self._exact_below
            with self._shard.lent():
                told = partial(begun, points) if begun else lambda: None
                optimise_shard(self._path, outside, self._codes, told)

    def laid(self) -> Laid:
        with self._shard.reading() as shard:
            return laid_out(self._path, shard.info(), self._codes, self._exact_below)

    @property
    def is_closed(self) -> bool:
        return self._shard.is_closed

    def close(self) -> None:
        self._shard.close()
