"""Galleries on a Qdrant server or cluster, and in qdrant-client's own `:memory:` mode.

That mode is for tests and small trials: it is not safe for threads, so its calls take turns here,
and it keeps no payload indexes, so which attributes are indexed is known to the gallery alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from numpy.typing import ArrayLike
from qdrant_client import models

from backend.gallery.attributes import ATTRIBUTE_PREFIX, facet_kind, is_indexed
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
from backend.gallery.server_connection import Connection
from backend.gallery.server_layout import laid_out, search_params
from backend.gallery.server_translation import (
    attribute_kinds,
    hit_from,
    payload_selector,
    point_struct,
    server_filter,
    similarity_requests,
    stored_from,
)
from backend.gallery.window import next_page, ordered_window, scores_by_id

# Collections of other programs on the same server stay out of sight and out of reach.
COLLECTION_PREFIX = "akin_"
BATCH = 256  # points a request: 512 numbers each make about 3 MB of JSON


class ServerGallery:
    """One collection. Methods as in `backend.gallery.port.Gallery`."""

    def __init__(
        self, name: str, dim: int, connection: Connection, layout: Layout | None = None
    ) -> None:
        self.name = name
        self.dim = dim
        self._collection = COLLECTION_PREFIX + name
        self._connection = connection
        self._layout = layout or Layout()
        # The local mode is always exact, and warns of parameters.
        self._params = None if connection.is_local else search_params(self._layout)
        self._attributes: dict[str, Kind] = {}
        self._read_attributes()

    def upsert(self, points: Sequence[Point]) -> None:
        self.restore(normalised(points, self.dim))

    def restore(self, stored: Mapping[str, Stored]) -> None:
        points = [point_struct(point_id, point) for point_id, point in stored.items()]
        for start in range(0, len(points), BATCH):
            with self._connection.client() as client:
                client.upsert(self._collection, points[start : start + BATCH], wait=True)

    def delete(self, ids: Sequence[str]) -> None:
        check_ids(ids)
        if not ids:  # an error to the engine
            return
        with self._connection.client() as client:
            client.delete(self._collection, models.PointIdsList(points=list(ids)), wait=True)

    def set_payload(self, payloads: Mapping[str, Payload]) -> None:
        check_ids(list(payloads))
        operations: list[models.UpdateOperation] = []
        for point_id, payload in payloads.items():
            # By filter, because by id the engine fails when one is missing.
            only = models.Filter(must=[models.HasIdCondition(has_id=[point_id])])
            fields = {key: value for key, value in payload.items() if key != "norm"}
            change = models.SetPayload(payload=fields, filter=only)
            operations.append(models.SetPayloadOperation(set_payload=change))
        if operations:
            with self._connection.client() as client:
                client.batch_update_points(self._collection, operations, wait=True)

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
        query = unit.tolist()
        selector = payload_selector(keys)
        conditions = server_filter(filter, exclude_products, exclude_ids)

        def nearest(count: int) -> list[Hit]:
            with self._connection.client() as client:
                found = client.query_points(
                    self._collection,
                    query=query,
                    query_filter=conditions,
                    limit=count,
                    with_payload=selector,
                    search_params=self._params,
                )
            return [hit_from(scored) for scored in found.points]

        return ordered_window(nearest, offset, limit)

    def similarities(self, vectors: Sequence[ArrayLike], ids: Sequence[str]) -> dict[str, Vector]:
        check_ids(ids)
        units = unit_vectors(vectors, self.dim)
        requests = similarity_requests(units, ids, is_local=self._connection.is_local)
        if not ids:
            return {}
        with self._connection.client() as client:
            answers = client.query_batch_points(self._collection, requests)
        return scores_by_id([answer.points for answer in answers])

    def fetch(self, ids: Sequence[str], keys: Sequence[str] | None = None) -> dict[str, Stored]:
        check_ids(ids)
        selector = payload_selector(keys, "norm")
        with self._connection.client() as client:
            records = client.retrieve(
                self._collection, list(ids), with_payload=selector, with_vectors=True
            )
        return {str(record.id): stored_from(record, keys) for record in records}

    def facets(
        self,
        key: str,
        *,
        filter: Filter | None = None,  # noqa: A002
        limit: int = 100,
    ) -> list[tuple[Scalar, int]]:
        facet_kind(key, self._known_attributes(key.removeprefix(ATTRIBUTE_PREFIX)))
        with self._connection.client() as client:
            response = client.facet(
                self._collection,
                key=key,
                facet_filter=server_filter(filter),
                limit=limit,
                exact=True,
            )
        counts = [(hit.value, hit.count) for hit in response.hits]
        return sorted(counts, key=lambda pair: (-pair[1], pair[0]))

    def scroll(self, after: str | None, limit: int) -> list[str]:
        return list(self.scroll_payloads(after, limit, ()))

    def scroll_payloads(
        self, after: str | None, limit: int, keys: Sequence[str]
    ) -> dict[str, Payload]:
        check_ids([] if after is None else [after])
        selector = payload_selector(keys)
        # The engine begins at an id, not after it: one more is asked for, and that one dropped.
        with self._connection.client() as client:
            records, _ = client.scroll(
                self._collection, limit=limit + 1, offset=after, with_payload=selector
            )
        return next_page(((str(r.id), r.payload or {}) for r in records), after, limit)

    def count(self, filter: Filter | None = None) -> int:  # noqa: A002
        with self._connection.client() as client:
            result = client.count(self._collection, count_filter=server_filter(filter), exact=True)
        return result.count

    def index_attribute(self, slug: str, kind: Kind) -> None:
        if not is_indexed(slug, kind, self._known_attributes(slug)):
            self._connection.create_index(self._collection, ATTRIBUTE_PREFIX + slug, kind)
            self._attributes[slug] = kind

    def indexed_attributes(self) -> dict[str, Kind]:
        self._read_attributes()
        return dict(self._attributes)

    def optimise(self, begun: Callable[[int], None] | None = None) -> None:
        """Nothing to do: the server optimises by itself, in the background."""

    def laid(self) -> Laid:
        with self._connection.client() as client:
            return laid_out(client.get_collection(self._collection), self._layout)

    def close(self) -> None:
        """Nothing to do: the connection is the store's."""

    def _known_attributes(self, slug: str) -> dict[str, Kind]:
        """The kinds, asked again where `slug` is new: another process may have indexed it."""
        if slug not in self._attributes:
            self._read_attributes()
        return self._attributes

    def _read_attributes(self) -> None:
        with self._connection.client() as client:
            schema = client.get_collection(self._collection).payload_schema
        self._attributes |= attribute_kinds(schema)
