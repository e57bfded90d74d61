"""A Qdrant Edge shard that this process holds open: who may use it when, and when it is flushed.

Facts of the engine this is built round, found by trying version 0.9: its write-ahead log grows
until `flush`; a shard can be open in one process only; and how it fails is in
`backend.gallery.edge_failures`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from backend import disk_space
from backend.disk_space import check_room
from backend.errors import Unavailable
from backend.gallery.edge_failures import reading, writing
from backend.gallery.edge_shard import load_shard
from backend.gallery.layout import QuantizationKind

FLUSH_EVERY = 10_000  # points written

log = structlog.get_logger()


class HeldShard:
    """One shard, used by one thread at a time. Raises `Unavailable` once it is closed."""

    def __init__(self, path: Path, codes: QuantizationKind) -> None:
        """Opens it; errors as `load_shard`."""
        self.lock = threading.RLock()
        """Held by who does several things that nothing may come between."""
        self._path = path
        self._codes = codes
        self._unflushed = 0
        self._is_lent = False
        self._shard: Any = load_shard(path, codes)

    def info(self) -> Any:
        """What the engine says of it."""
        with self.reading() as shard:
            return shard.info()

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """The open shard, to be asked by one at a time."""
        with self.lock:
            shard = self._open()
            with reading(self._path):
                yield shard

    def update(self, operation: Any, size: int) -> None:
        """Do an operation that writes so many points; raises `NoSpace` too."""
        check_room(self._path, disk_space.GALLERY_RESERVE)
        with self.lock:
            shard = self._open()
            with writing(self._path):
                shard.update(operation)
                self._unflushed += size
                if self._unflushed >= FLUSH_EVERY:
                    shard.flush()
                    self._unflushed = 0

    @contextmanager
    def lent(self) -> Iterator[None]:
        """The shard let go for another process, and loaded again in the end."""
        self._is_lent = True  # before it is closed: else somebody might open it a second time
        try:
            self.close()
            try:
                yield
            finally:
                self._shard = load_shard(self._path, self._codes)
        finally:
            self._is_lent = False

    @property
    def is_closed(self) -> bool:
        """Whether it was closed; not while it is lent."""
        return self._shard is None and not self._is_lent

    def close(self) -> None:
        """Flush and let go of it; closed already is ignored."""
        with self.lock:
            shard, self._shard = self._shard, None
            if shard is None:
                return
            try:
                with writing(self._path):  # such as a full disk
                    shard.flush()
            except Unavailable as failure:
                log.warning(
                    "not flushed: what is missing stands in the gallery's log of writes",
                    gallery=self._path.name,
                    error=failure.sentence,
                )
            shard.close()

    def _open(self) -> Any:
        if self._shard is None:
            raise Unavailable(f"Gallery '{self._path.name}' is closed: open it again.")
        return self._shard
