"""What one process holds open: the database, the blobs, the galleries, the queue, the backbone."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backend.blobs import BlobStore
from backend.database import Database
from backend.encoding.decode_pool import DecodePool
from backend.encoding.decoding import DecodeLimits
from backend.gallery.opening import open_store
from backend.gallery.port import GalleryStore
from backend.jobs.broker import Queue
from backend.settings import Settings

if TYPE_CHECKING:
    from backend.encoding.backbone import Backbone

QUERY_SECONDS = 10.0  # to decode a picture that somebody waits for, and to wait for a free decoder


@dataclass
class Runtime:
    """The open parts of an installation; made once a process by `open_runtime`."""

    settings: Settings
    database: Database
    blobs: BlobStore
    galleries: GalleryStore
    queue: Queue
    _backbone: Backbone | None = None
    _loading: threading.Lock = field(default_factory=threading.Lock)
    decoder: DecodePool = field(init=False)
    """For imports and embedding; its children give way to whatever somebody waits for."""
    query_decoder: DecodePool = field(init=False)
    """For what somebody waits for: pictures in queries, single images, missing renditions."""

    def __post_init__(self) -> None:
        processes, seconds = self.settings.decode_processes, self.settings.decode_seconds
        self.decoder = DecodePool(processes, self.limits, seconds=seconds, niceness=5)
        # A request holds a thread of the API: shorter, and turned away where all are busy.
        shorter = min(seconds, QUERY_SECONDS)
        self.query_decoder = DecodePool(
            processes, self.limits, seconds=shorter, patience=QUERY_SECONDS
        )

    @property
    def limits(self) -> DecodeLimits:
        """What a picture from outside may be."""
        return DecodeLimits(max_bytes=self.settings.max_image_bytes)

    def backbone(self) -> Backbone:
        """The backbone of the settings, loaded when first asked for; queries and the worker share
        it, each with its own number of threads."""
        from backend.encoding.backbone import BackboneSpec, load_backbone  # torch: only when used

        with self._loading:
            if self._backbone is None:
                settings = self.settings
                spec = BackboneSpec(settings.backbone, settings.pretrained, settings.preprocessing)
                self._backbone = load_backbone(
                    spec, device=settings.device, threads=settings.query_threads
                )
            return self._backbone

    def close(self) -> None:
        """Close everything, galleries first: they hold what is not yet flushed."""
        self.galleries.close()
        self.decoder.close()
        self.query_decoder.close()
        self.database.close()


def open_runtime(settings: Settings) -> Runtime:
    """Open every part the settings name.

    Raises:
        SetupError: for a combination that cannot work, or a database that does not answer.
        Unavailable: if the Qdrant server does not answer.
    """
    settings.check()
    database = Database(settings.sql_url)
    database.ping()
    key = settings.gallery_api_key
    return Runtime(
        settings=settings,
        database=database,
        blobs=BlobStore(settings.blob_root),
        galleries=open_store(
            settings.gallery_url,
            settings.home / "galleries",
            api_key=key.get_secret_value() if key else None,
        ),
        queue=Queue(settings.broker_url),
    )
