"""The galleries on a Qdrant server: its collections whose names begin with Akin's prefix."""

from __future__ import annotations

import threading

import structlog
from qdrant_client import models

from backend.errors import Conflict, NotFound
from backend.gallery.filters import BUILT_IN_KEYS
from backend.gallery.layout import Access, Layout
from backend.gallery.port import check_name
from backend.gallery.server import COLLECTION_PREFIX, ServerGallery
from backend.gallery.server_connection import Connection
from backend.gallery.server_layout import change, creation

log = structlog.get_logger()


class ServerGalleryStore:
    """The collections of one server. Methods as in `backend.gallery.port.GalleryStore`."""

    def __init__(
        self, url: str, layout: Layout | None = None, access: Access | None = None
    ) -> None:
        """Raises `Unavailable` if nothing answers at `url`, `SetupError` if it refuses the key."""
        self._connection = Connection(url, access)
        self._layout = layout or Layout()
        self._galleries: dict[str, ServerGallery] = {}
        self._lock = threading.RLock()
        self.names()

    def create(self, name: str, dim: int) -> ServerGallery:
        check_name(name)
        collection = COLLECTION_PREFIX + name
        with self._lock:
            if name in self.names():
                raise Conflict(f"A gallery named '{name}' exists already: open or drop it.")
            with self._connection.client() as client:
                client.create_collection(collection, **creation(self._layout, dim))
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
            info = client.get_collection(collection)
        vectors = info.config.params.vectors
        if not isinstance(vectors, models.VectorParams):
            raise Conflict(f"Collection '{collection}' is not a gallery of Akin: rename it.")
        for key in BUILT_IN_KEYS:  # here, not in create, so that a kill in between is mended
            self._connection.create_index(collection, key, "keyword")
        if not self._connection.is_local:
            self._follow_settings(collection, info)
        return ServerGallery(name, vectors.size, self._connection, self._layout)

    def _follow_settings(self, collection: str, info: models.CollectionInfo) -> None:
        """Have the server change what it can: in the background, while it goes on answering."""
        if changed := change(self._layout, info):
            log.info("gallery laid out anew", collection=collection, changed=sorted(changed))
            with self._connection.client() as client:
                client.update_collection(collection, **changed)
