"""The embed job: brings one gallery into line with the catalogue.

Rounds of three steps until nothing is left: the points of deleted images go, the payloads of
edited products are replaced, and images the gallery lacks are encoded. Pictures are decoded by
threads ahead of the encoder and stored by one behind it, so that it need not wait for either.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import cached_property, partial
from itertools import islice
from typing import Any

import structlog
from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue.attributes import filterable_attributes
from backend.database import after_commit
from backend.encoding.backbone import Backbone
from backend.errors import Conflict
from backend.gallery.port import Gallery, Point
from backend.jobs.service import ensure_embed
from backend.jobs.tables import Job, JobItem
from backend.metrics import EMBED_STAGE_SECONDS, EMBEDDED_IMAGES
from backend.registry.coverage import coverage
from backend.registry.service import gallery_row, version_of_gallery
from backend.stopwatch import Stopwatch
from workers.app import task
from workers.embedding_rows import (
    Wanted,
    anything_left,
    count_missing,
    forget_removals,
    imported,
    missing_images,
    note_embedded,
    note_payloads,
    removals,
    stale_images,
)
from workers.prefetching import Behind, ahead, decode_threads
from workers.promoting import settle
from workers.removing import forget_mentions, release_ended
from workers.run import Run
from workers.training_leftovers import forget_features
from workers.vectors import Encoded, decode, encode

LINGER_SECONDS, LOOK_SECONDS = 2.0, 0.1
ROUND = 2048  # images, after which deletions and edits have their turn
ROWS = 256  # of deletions and edits in one transaction
log = structlog.get_logger()

STAGES = ("read", "decode", "encode", "upsert", "sql")


@task("reembed")
def reembed(run: Run) -> dict[str, Any]:
    """As `embed`, for a gallery that no search is answered from yet; then a promotion that waits
    for it is switched."""
    result = _Embedding(run).work()
    settle(run.runtime)
    return result


@task("embed")
def embed(run: Run) -> dict[str, Any]:
    """Bring the gallery that is the job's subject into line with the catalogue.

    The result counts embedded and failed images and gives the seconds of each stage (summed over
    threads for read and decode) and the share of the encoding time in which the encoder was busy.

    Raises:
        NotFound: if there is no such gallery.
        SetupError: if no version has its image tower, or the weights are others by now.
    """
    return _Embedding(run).work()


class _Embedding:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._gallery_id = run.subject or ""
        self._gallery = self._opened()
        self._watch = Stopwatch(EMBED_STAGE_SECONDS)
        self._encoding_seconds = 0.0  # from the first picture of a round to its last point
        with run.read() as session:
            job = session.get_one(Job, run.job_id)
            self._done, self._failed = job.done, job.failed
        self._before = self._done, self._failed

    @cached_property
    def _backbone(self) -> Backbone:
        """Loaded only where there is something to encode."""
        with self._run.read() as session:
            version = version_of_gallery(session, self._gallery_id)
        structlog.contextvars.bind_contextvars(version=version.id)
        return self._run.runtime.models.load(version).backbone

    def work(self) -> dict[str, Any]:
        while True:
            self._remove()
            self._refresh()
            self._add()
            self._linger()
            result = self._result()
            if self._run.finish(result, self._more_to_come):
                if not self._run.runtime.database.empty_log():
                    log.info("the database's log of writes is in use: it keeps what was deleted")
                return result

    def _opened(self) -> Gallery:
        """The gallery; made here if it is new: SQL and the store share no transaction."""
        store = self._run.runtime.galleries
        with self._run.read() as session:
            row = gallery_row(session, self._gallery_id)
            is_new = not coverage(session, row.id).tried
            dim = row.dim
        if is_new and self._gallery_id not in store.names():
            with suppress(Conflict):  # another worker was quicker
                return store.create(self._gallery_id, dim)
        return store.open(self._gallery_id)

    def _more_to_come(self, session: Session) -> bool:
        return imported(session) is not None or anything_left(session, self._gallery_id)

    def _linger(self) -> None:
        """While an import runs, wait for what it brings: one embed job for all of it."""
        until = clock.monotonic() + LINGER_SECONDS  # edits and deletions get their turn then
        before = self._imported()
        while before is not None and self._imported() == before and clock.monotonic() < until:
            self._run.checkpoint()
            time.sleep(LOOK_SECONDS)

    def _imported(self) -> int | None:
        with self._run.read() as session:
            return imported(session)

    def _remove(self) -> None:
        store, blobs = self._run.runtime.galleries, self._run.runtime.blobs
        removed = False
        while True:
            with self._run.read() as session:
                gone = removals(session, ROWS)
            if not gone:
                if removed:
                    release_ended(self._run)
                return
            removed = True
            self._run.checkpoint()
            for name in store.names():
                store.open(name).delete([one.image_id for one in gone])
            # Of a picture that another product shows too they are worked out again.
            hashes = {one.sha256 for one in gone}
            forget_features(self._run.runtime, hashes)
            forget_mentions(self._run, hashes)
            with self._run.write() as session:
                self._run.progress(session, stage="removing", moved=True)
                forget_removals(session, blobs, gone)

    def _refresh(self) -> None:
        while True:
            with self._run.read() as session:
                stale = stale_images(session, self._gallery_id, ROWS)
            if not stale:
                return
            self._run.checkpoint()
            self._index_attributes()
            self._run.check()
            self._gallery.set_payload({one.image_id: one.payload for one in stale})
            with self._run.write() as session:
                self._run.progress(session, stage="updating", moved=True)
                if note_payloads(session, self._gallery_id, stale):
                    self._see_to_the_rest(session)

    def _add(self) -> None:
        with self._run.read() as session:
            wanted = missing_images(session, self._gallery_id, ROUND)
            if not wanted:
                return
            total = self._done + count_missing(session, self._gallery_id)
        with self._run.write() as session:
            self._run.progress(session, stage="embedding", total=total)
        self._index_attributes()
        backbone = self._backbone
        begun = clock.monotonic()
        self._encode_all(wanted, backbone)
        self._encoding_seconds += clock.monotonic() - begun

    def _index_attributes(self) -> None:
        with self._run.read() as session:
            attributes = filterable_attributes(session)
        for slug, kind in attributes.items():
            self._gallery.index_attribute(slug, kind)

    def _encode_all(self, wanted: Sequence[Wanted], backbone: Backbone) -> None:
        settings = self._run.runtime.settings
        size = settings.embed_batch
        with ThreadPoolExecutor(decode_threads(), "decode") as pool, Behind() as storing:
            decode_one = partial(decode, self._run.runtime, backbone.preprocessing, self._watch)
            with closing(ahead(pool, decode_one, wanted, depth=2 * size)) as decoded:
                while batch := list(islice(decoded, self._run.at_once(size))):
                    self._run.checkpoint()
                    with self._watch.stage("encode"):
                        encoded = encode(backbone, batch, settings.embed_threads)
                    log.info("encoded", images=len(batch))
                    storing.submit(partial(self._store, encoded))

    def _store(self, batch: Sequence[Encoded]) -> None:
        points = [
            Point(one.wanted.image_id, one.vector, one.wanted.payload)
            for one in batch
            if one.vector is not None
        ]
        if points:
            with self._watch.stage("upsert"):
                self._run.check()
                self._gallery.upsert(points)
        with self._watch.stage("sql"), self._run.write() as session:
            noted = [(one.wanted, one.error) for one in batch]
            unfinished = note_embedded(session, self._gallery_id, noted)
            self._report(session, [one for one in batch if one.error])
            self._done += len(batch)
            after_commit(session, partial(EMBEDDED_IMAGES.inc, len(points)))
            self._run.progress(session, done=self._done, failed=self._failed)
            if unfinished:
                self._see_to_the_rest(session)

    def _see_to_the_rest(self, session: Session) -> None:
        """A job that is being cancelled does not itself look again at what it leaves behind."""
        session.flush()
        searched = self._run.kind == "embed"
        ensure_embed(session, self._run.runtime.queue, self._gallery_id, searched=searched)

    def _report(self, session: Session, failures: Iterable[Encoded]) -> None:
        for one in failures:
            session.add(
                JobItem(
                    job_id=self._run.job_id,
                    position=self._failed,
                    name=one.wanted.sku,
                    payload={"image_id": one.wanted.image_id},
                    state="failed",
                    outcome="refused",
                    reason=one.error,
                    sku=one.wanted.sku,
                )
            )
            self._failed += 1

    def _result(self) -> dict[str, Any]:
        seconds = self._watch.seconds()
        busy = seconds.get("encode", 0.0) / self._encoding_seconds if self._encoding_seconds else 0
        failed = self._failed - self._before[1]
        return {
            "embedded": self._done - self._before[0] - failed,
            "failed": failed,
            "seconds": dict.fromkeys(STAGES, 0.0) | seconds,
            "encoder_busy": round(busy, 3),
        }
