"""Galleries on a Qdrant server or cluster, and in qdrant-client's own `:memory:` mode.

That mode is for tests and small trials: it is not safe for threads, so its calls take turns here,
and it keeps no payload indexes, so which attributes are indexed is known to the gallery alone.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from numpy.typing import ArrayLike
from qdrant_client import models

from backend.errors import Conflict, NotFound
from backend.gallery.attributes import ATTRIBUTE_PREFIX, facet_kind, is_indexed
from backend.gallery.filters import BUILT_IN_KEYS, Filter, Kind, Scalar
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
from backend.gallery.server_connection import Connection
from backend.gallery.server_translation import (
    attribute_kinds,
    hit_from,
    point_struct,
    server_filter,
    stored_from,
)
from backend.gallery.window import ordered_window

# Collections of other programs on the same server stay out of sight and out of reach.
COLLECTION_PREFIX = "akin_"
BATCH = 256  # points a request: 512 numbers each make about 3 MB of JSON


class ServerGallery:
    """One collection. Methods as in `backend.gallery.port.Gallery`."""

    def __init__(self, name: str, dim: int, connection: Connection) -> None:
        self.name = name
        self.dim = dim
        self._collection = COLLECTION_PREFIX + name
        self._connection = connection
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
    ) -> list[Hit]:
        unit, _ = unit_vector(vector, self.dim, "the query")
        check_ids(exclude_ids)
        query = unit.tolist()
        conditions = server_filter(filter, exclude_products, exclude_ids)

        def nearest(count: int) -> list[Hit]:
            with self._connection.client() as client:
                found = client.query_points(
                    self._collection, query=query, query_filter=conditions, limit=count
                )
            return [hit_from(scored) for scored in found.points]

        return ordered_window(nearest, offset, limit)

    def fetch(self, ids: Sequence[str]) -> dict[str, Stored]:
        check_ids(ids)
        with self._connection.client() as client:
            records = client.retrieve(self._collection, list(ids), with_vectors=True)
        return {str(record.id): stored_from(record) for record in records}

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
        check_ids([] if after is None else [after])
        with self._connection.client() as client:
            records, _ = client.scroll(
                self._collection, limit=limit + 1, offset=after, with_payload=False
            )
        return [i for i in (str(record.id) for record in records) if i != after][:limit]

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

    def optimise(self) -> None:
        """Nothing to do: the server optimises by itself, in the background."""

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


class ServerGalleryStore:
    """The collections of one server. Methods as in `backend.gallery.port.GalleryStore`."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        """Raises `Unavailable` if nothing answers at `url`, `SetupError` if it refuses the key."""
        self._connection = Connection(url, api_key)
        self._galleries: dict[str, ServerGallery] = {}
        self._lock = threading.RLock()
        self.names()

    def create(self, name: str, dim: int) -> ServerGallery:
        check_name(name)
        collection = COLLECTION_PREFIX + name
        vectors = models.VectorParams(size=dim, distance=models.Distance.COSINE)
        with self._lock:
            if name in self.names():
                raise Conflict(f"A gallery named '{name}' exists already: open or drop it.")
            with self._connection.client() as client:
                client.create_collection(collection, vectors_config=vectors)
            return self.open(name)

    def open(self, name: str) -> ServerGallery:
        check_name(name)
        with self._lock:
            if name not in self._galleries:
                self._galleries[name] = self._open(name)
            return self._galleries[name]

    def drop(self, name: str) -> None:
        check_name(name)
        with self._lock:
            self._galleries.pop(name, None)
            with self._connection.client() as client:
                client.delete_collection(COLLECTION_PREFIX + name)

    def names(self) -> list[str]:
        with self._connection.client() as client:
            collections = [found.name for found in client.get_collections().collections]
        return sorted(
            collection.removeprefix(COLLECTION_PREFIX)
            for collection in collections
            if collection.startswith(COLLECTION_PREFIX)
        )

    def close(self) -> None:
        with self._lock:
            self._galleries.clear()
            self._connection.close()

    def _open(self, name: str) -> ServerGallery:
        if name not in self.names():
            raise NotFound(f"There is no gallery named '{name}'.")
        collection = COLLECTION_PREFIX + name
        with self._connection.client() as client:
            vectors = client.get_collection(collection).config.params.vectors
        if not isinstance(vectors, models.VectorParams):
            raise Conflict(f"Collection '{collection}' is not a gallery of Akin: rename it.")
        for key in BUILT_IN_KEYS:  # here, not in create, so that a kill in between is mended
            self._connection.create_index(collection, key, "keyword")
        return ServerGallery(name, vectors.size, self._connection)
