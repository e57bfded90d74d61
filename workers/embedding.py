"""The embed job: brings one gallery into line with the catalogue.

Rounds of three steps until nothing is left: the points of deleted images go, the payloads of
edited products are replaced, and images the gallery lacks are encoded. Where many are lacking they
are cut into parts, by their numbers, for several workers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy.orm import Session

from backend import clock
from backend.jobs.tables import Job
from workers.app import task
from workers.embedding_images import Encoding
from workers.embedding_rows import (
    anything_left,
    imported,
    missing_between,
    missing_images,
    missing_numbers,
    newest_image,
    note_payloads,
    stale_images,
    total_of,
)
from workers.leading import cut, is_cut, work_through
from workers.promoting import settle
from workers.removing import remove_deleted
from workers.run import Run
from workers.sharing import Share, is_shared, part_of

LINGER_SECONDS, LOOK_SECONDS = 2.0, 0.1
ROUND = 2048  # images, after which deletions and edits have their turn
PART_BATCHES = 8  # of images in a part
MOST_IMAGES = 32_768  # in all parts that are cut at once
ROWS = 256  # of edits in one transaction

STAGES = ("read", "decode", "encode", "upsert", "sql")


log = structlog.get_logger()


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

    The result counts the images that the job embedded or could not, whoever did it. It gives the
    seconds of each stage (summed over threads for read and decode) and the share of the encoding
    time in which the encoder was busy; both of the worker that led last.

    Raises:
        NotFound: if there is no such gallery.
        SetupError: if no version has its image tower, or the weights are others by now.
    """
    return _Embedding(run).work()


@part_of("embed", "reembed")
def embed_part(share: Share) -> bool:
    """Do a part of an embed job that another worker leads; raises as `embed` does."""
    return add_part(share, Encoding(share))


def add_part(share: Share, encoding: Encoding) -> bool:
    """Encode what is missing of a part."""
    with share.read() as session:
        part = share.part
        wanted = missing_between(session, encoding.gallery_id, part.first, part.last)
    if wanted:
        encoding.encode_all(share, wanted)
    return True


class _Embedding:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._encoding = Encoding(run)
        self._gallery_id = self._encoding.gallery_id
        self._newest = 0  # up to this number images are in a part, or were there when it was cut

    def work(self) -> dict[str, Any]:
        while True:
            remove_deleted(self._run)
            self._refresh()
            self._add()
            self._linger()
            result = self._result()
            if self._run.finish(result, self._more_to_come):
                if not self._run.runtime.database.empty_log():
                    log.info("the database's log of writes is in use: it keeps what was deleted")
                return result

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

    def _refresh(self) -> bool:
        """Whether there was something to update."""
        updated = False
        while True:
            with self._run.read() as session:
                stale = stale_images(session, self._gallery_id, ROWS)
            if not stale:
                return updated
            updated = True
            self._run.checkpoint()
            self._encoding.index_attributes()
            self._run.check()
            self._encoding.gallery.set_payload({one.image_id: one.payload for one in stale})
            with self._run.write() as session:
                self._run.progress(session, stage="updating", moved=True)
                if note_payloads(session, self._gallery_id, stale):
                    self._encoding.see_to_the_rest(session)

    def _add(self) -> None:
        if is_shared(self._run.runtime):
            self._add_shared()
            return
        with self._run.read() as session:
            wanted = missing_images(session, self._gallery_id, ROUND)
        if wanted:
            self._tell_total()
            self._encoding.encode_all(self._run, wanted)

    def _add_shared(self) -> None:
        with self._run.read() as session:
            newest = newest_image(session)
        # Where a lead that ended left parts, those come first.
        self._newest = newest if is_cut(self._run) else 0
        work_through(self._run, self._add_part, between=self._meanwhile)

    def _add_part(self, share: Share) -> bool:
        return add_part(share, self._encoding)

    def _meanwhile(self) -> None:
        """Between two parts: edits and deletions have their turn, and so have images that came
        after the parts were cut."""
        did = [remove_deleted(self._run), self._refresh()]
        above = self._newest or None
        with self._run.read() as session:
            numbers = missing_numbers(session, self._gallery_id, MOST_IMAGES, above=above)
        if any(did) or numbers:
            self._tell_total()
        if numbers:
            self._newest = numbers[0]
            self._take_on(numbers)

    def _take_on(self, numbers: Sequence[int]) -> None:
        """Missing images, the newest first: many are cut into parts, a few are done at once."""
        size = PART_BATCHES * self._run.runtime.settings.embed_batch
        if len(numbers) > size:
            pieces = (numbers[at : at + size] for at in range(0, len(numbers), size))
            with self._run.write() as session:
                cut(self._run, session, [(piece[-1], piece[0]) for piece in pieces])
            return
        with self._run.read() as session:
            wanted = missing_between(session, self._gallery_id, numbers[-1], numbers[0])
        self._encoding.encode_all(self._run, wanted)

    def _tell_total(self) -> None:
        with self._run.write() as session:
            total = total_of(self._run.job_id, self._gallery_id)
            self._run.progress(session, stage="embedding", total=total)

    def _result(self) -> dict[str, Any]:
        watch, encoding = self._encoding.watch.seconds(), self._encoding.seconds
        busy = watch.get("encode", 0.0) / encoding if encoding else 0
        with self._run.read() as session:
            job = session.get_one(Job, self._run.job_id)
        return {
            "embedded": job.done - job.failed,
            "failed": job.failed,
            "seconds": dict.fromkeys(STAGES, 0.0) | watch,
            "encoder_busy": round(busy, 3),
        }
