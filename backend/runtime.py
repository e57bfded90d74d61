"""What one process holds open: the database, the blobs, the galleries, the queue, the backbone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backend.accounts.guard import Guard
from backend.blobs import BlobStore
from backend.database import Database, open_database
from backend.encoding.decode_pool import DecodePool
from backend.encoding.decoding import DecodeLimits
from backend.gallery.opening import open_store
from backend.gallery.port import GalleryStore
from backend.jobs.broker import Queue
from backend.registry.artefacts import Artefacts
from backend.registry.loading import Models
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
    artefacts: Artefacts = field(init=False)
    """The trained models, packed in the blob store and unpacked beside this process."""
    models: Models = field(init=False)
    """Versions in memory; queries and the worker share them, each with its own threads."""
    decoder: DecodePool = field(init=False)
    """For imports and embedding; its children give way to whatever somebody waits for."""
    query_decoder: DecodePool = field(init=False)
    """For what somebody waits for: pictures in queries, single images, missing renditions."""

    guard: Guard = field(init=False)
    """Whether people have to log in, and who it is that asks."""

    def __post_init__(self) -> None:
        settings = self.settings
        self.guard = Guard(settings, self.database)
        self.artefacts = Artefacts(self.blobs, settings.home / "models")
        self.models = Models(self.artefacts, settings.device, settings.query_threads)
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
        """The backbone of the settings, loaded when first asked for."""
        return self.models.plain(self.settings.backbone_spec)

    def close(self) -> None:
        """Close everything, galleries first: they hold what is not yet flushed."""
        self.galleries.close()
        self.decoder.close()
        self.query_decoder.close()
        self.database.close()


def open_runtime(settings: Settings) -> Runtime:
    """Open every part the settings name.

    Raises:
        SetupError: for a combination that cannot work, a database that does not answer, or a bucket
            that is not there or refuses the credentials.
        Unavailable: if the Qdrant server does not answer.
    """
    settings.check()
    database = open_database(settings)
    blobs = BlobStore(settings.blob_root, settings.s3_endpoint_url)
    blobs.check()
    return Runtime(
        settings=settings,
        database=database,
        blobs=blobs,
        galleries=open_store(
            settings.gallery_url,
            settings.home / "galleries",
            settings.gallery_layout,
            settings.gallery_access,
        ),
        queue=Queue(settings.broker_url),
    )
