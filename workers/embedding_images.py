"""Encoding images into one gallery: for the worker that leads an embed job, and for the others.

Pictures are decoded by threads ahead of the encoder and stored by one behind it, so that it need
not wait for either.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import cached_property, partial
from itertools import islice

import structlog
from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue.attributes import filterable_attributes
from backend.database import after_commit
from backend.encoding.backbone import Backbone
from backend.errors import Conflict
from backend.gallery.port import Gallery, Point
from backend.jobs.service import ensure_embed
from backend.jobs.tables import JobItem
from backend.metrics import EMBED_STAGE_SECONDS, EMBEDDED_IMAGES
from backend.registry.coverage import coverage
from backend.registry.service import gallery_row, version_of_gallery
from backend.stopwatch import Stopwatch
from workers.embedding_rows import Wanted, note_embedded
from workers.holding import Hold
from workers.prefetching import Behind, ahead, decode_threads
from workers.vectors import Encoded, decode, encode

log = structlog.get_logger()


class Encoding:
    """What it takes to fill the gallery that is a job's subject, as long as a worker is at it.

    Raises:
        NotFound: if there is no such gallery.
        SetupError: if no version has its image tower, or the weights are others by now.
    """

    def __init__(self, hold: Hold) -> None:
        self._runtime = hold.runtime
        self._kind = hold.kind
        self.gallery_id = hold.subject or ""
        self.gallery = self._opened()
        self.watch = Stopwatch(EMBED_STAGE_SECONDS)
        self.seconds = 0.0  # from the first picture of a round to its last point

    @cached_property
    def _backbone(self) -> Backbone:
        """Loaded only where there is something to encode."""
        with self._runtime.database.read() as session:
            version = version_of_gallery(session, self.gallery_id)
        structlog.contextvars.bind_contextvars(version=version.id)
        return self._runtime.models.load(version).backbone

    def encode_all(self, hold: Hold, wanted: Sequence[Wanted]) -> None:
        """Make points of these images and note them, under the lease that is held."""
        self.index_attributes()
        backbone = self._backbone
        begun = clock.monotonic()
        self._encode_all(hold, wanted, backbone)
        self.seconds += clock.monotonic() - begun

    def index_attributes(self) -> None:
        """See that the gallery can be filtered by every attribute that the catalogue can."""
        with self._runtime.database.read() as session:
            attributes = filterable_attributes(session)
        for slug, kind in attributes.items():
            self.gallery.index_attribute(slug, kind)

    def see_to_the_rest(self, session: Session) -> None:
        """A job that is being cancelled does not itself look again at what it leaves behind."""
        session.flush()
        searched = self._kind == "embed"
        ensure_embed(session, self._runtime.queue, self.gallery_id, searched=searched)

    def _opened(self) -> Gallery:
        """The gallery; made here if it is new: SQL and the store share no transaction."""
        store = self._runtime.galleries
        with self._runtime.database.read() as session:
            dim = gallery_row(session, self.gallery_id).dim
        if self.gallery_id not in store.names() and self._is_new():
            with suppress(Conflict):  # another worker was quicker
                return store.create(self.gallery_id, dim)
        return store.open(self.gallery_id)

    def _is_new(self) -> bool:
        with self._runtime.database.read() as session:
            return not coverage(session, self.gallery_id).tried

    def _encode_all(self, hold: Hold, wanted: Sequence[Wanted], backbone: Backbone) -> None:
        settings = self._runtime.settings
        size = settings.embed_batch
        with ThreadPoolExecutor(decode_threads(), "decode") as pool, Behind() as storing:
            decode_one = partial(decode, self._runtime, backbone.preprocessing, self.watch)
            with closing(ahead(pool, decode_one, wanted, depth=2 * size)) as decoded:
                while batch := list(islice(decoded, hold.at_once(size))):
                    hold.checkpoint()
                    with self.watch.stage("encode"):
                        encoded = encode(backbone, batch, settings.embed_threads)
                    log.info("encoded", images=len(batch))
                    storing.submit(partial(self._store, hold, encoded))

    def _store(self, hold: Hold, batch: Sequence[Encoded]) -> None:
        points = [
            Point(one.wanted.image_id, one.vector, one.wanted.payload)
            for one in batch
            if one.vector is not None
        ]
        if points:
            with self.watch.stage("upsert"):
                hold.check()
                self.gallery.upsert(points)
        with self.watch.stage("sql"), hold.write() as session:
            became = [(one.wanted, one.error) for one in batch]
            present, unfinished = note_embedded(session, self.gallery_id, became)
            # What a report said of a product went as it was deleted: a line would come too late.
            failures = [one for one in batch if one.error and one.wanted.image_id in present]
            _report(session, hold.job_id, failures)
            after_commit(session, partial(EMBEDDED_IMAGES.inc, len(points)))
            if unfinished:
                self.see_to_the_rest(session)
            hold.count(session, done=len(batch), failed=len(failures))


def _report(session: Session, job_id: str, failures: Sequence[Encoded]) -> None:
    """A line for each, at its image's number: so no two workers write the same one, and an image
    that is tried again has one."""
    for one in failures:
        session.merge(
            JobItem(
                job_id=job_id,
                position=one.wanted.number,
                name=one.wanted.sku,
                payload={"image_id": one.wanted.image_id},
                state="failed",
                outcome="refused",
                reason=one.error,
                sku=one.wanted.sku,
            )
        )
