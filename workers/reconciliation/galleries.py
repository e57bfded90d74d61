"""A gallery against SQL: every image one point, every point an image.

Rows and points are listed at different moments while others go on working, so what looks wrong is
looked at once more before anything is done. That is enough, because an embed job writes a point
before the row that says so, and a deletion takes the row away before the point.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from backend.gallery.port import Gallery, Stored
from backend.jobs.service import ensure_embed
from backend.registry.tables import GalleryRow
from workers.embedding_rows import anything_left
from workers.reconciliation import gallery_rows as rows
from workers.reconciliation.comparing import in_batches, paged, side_by_side
from workers.reconciliation.gallery_rows import ImageState, Told
from workers.reconciliation.rounds import Round

FETCHED = 256  # points with their vectors
UNIT_LENGTH = 0.01  # how far from 1 the length of a stored vector may be


def reconcile_gallery(this: Round, row: GalleryRow) -> None:
    """Compare one gallery with SQL, and mend it if the round does."""
    store = this.runtime.galleries
    if row.id not in store.names():
        this.ledger.found("lost_galleries", [row.id], row.id)
        if not this.mend:
            return
        store.create(row.id, row.dim)
        with this.work.write() as session:
            rows.forget_gallery(session, row.id)
            ensure_embed(session, this.runtime.queue, row.id)
    _Comparison(this, row.id, store.open(row.id)).run()


def is_unpointed(state: ImageState | None, point: str | None) -> bool:
    """Whether SQL says that the gallery holds an image of which no point was listed."""
    return state is not None and state.held and point is None


def is_bad(stored: Stored) -> bool:
    """Whether the vector holds NaN or infinity, or is not of length 1: no search can use it."""
    length = float(np.linalg.norm(stored.vector.astype(np.float64)))
    return not abs(length - 1) <= UNIT_LENGTH  # of NaN nothing is true


def is_stale(told: Told | None, stored: Stored) -> bool:
    """Whether the payload is not what SQL says it is; where SQL says nothing it is not judged."""
    if told is None:
        return False
    return any(stored.payload.get(key) != value for key, value in told.payload.items())


class _Comparison:
    def __init__(self, this: Round, gallery_id: str, gallery: Gallery) -> None:
        self._round = this
        self._gallery_id = gallery_id
        self._gallery = gallery

    def run(self) -> None:
        images = paged(self._states, key=lambda state: state.id)
        points = paged(lambda after: self._gallery.scroll(after, self._round.page), key=str)
        for batch in in_batches(side_by_side(images, points), self._round.page):
            self._round.progress.add("comparing points", len(batch))
            self._round.ledger.compared["points"] += sum(point is not None for *_, point in batch)
            self._unpointed([key for key, state, point in batch if is_unpointed(state, point)])
            self._behind([key for key, state, _ in batch if state is not None and state.behind])
            self._orphans([key for key, state, _ in batch if state is None])
            if self._round.deep:
                listed = [key for key, state, point in batch if state is not None and point]
                for few in in_batches(listed, FETCHED):
                    self._look_into(few)
        self._unattended()

    def _states(self, after: str | None) -> list[ImageState]:
        with self._round.work.read() as session:
            return rows.image_states(session, self._gallery_id, after, self._round.page)

    def _found(self, kind: str, names: Collection[str]) -> None:
        self._round.ledger.found(kind, names, self._gallery_id)

    def _unpointed(self, suspects: Sequence[str]) -> None:
        absent = set(suspects) - self._present(suspects)
        with self._round.work.read() as session:
            found = rows.held(session, self._gallery_id, absent)
        self._forget(found)
        self._found("rows_without_point", found)

    def _present(self, image_ids: Sequence[str]) -> set[str]:
        batches = in_batches(image_ids, FETCHED)
        return {point_id for few in batches for point_id in self._gallery.fetch(few)}

    def _behind(self, suspects: Sequence[str]) -> None:
        with self._round.work.read() as session:
            found = rows.behind(session, self._gallery_id, suspects)
        self._update(found)

    def _orphans(self, suspects: Sequence[str]) -> None:
        with self._round.work.read() as session:
            strange = rows.without_image(session, suspects)
        present = self._present(strange)  # an embed job may just have finished a deletion
        found = [point_id for point_id in strange if point_id in present]
        if self._round.mend and found:
            self._gallery.delete(found)
        self._found("points_without_row", found)

    def _look_into(self, image_ids: Sequence[str]) -> None:
        """Into the vectors and payloads of these points."""
        before = self._told(image_ids)
        stored = self._gallery.fetch(image_ids)
        after = self._told(image_ids)
        bad = [image_id for image_id, point in stored.items() if is_bad(point)]
        if self._round.mend and bad:
            self._gallery.delete(bad)
        self._forget(bad)
        self._found("bad_vectors", bad)
        steady = {key: told for key, told in before.items() if after.get(key) == told}
        stale = {key for key, point in stored.items() if is_stale(steady.get(key), point)}
        self._update(sorted(stale.difference(bad)))

    def _told(self, image_ids: Sequence[str]) -> dict[str, Told]:
        with self._round.work.read() as session:
            return rows.told(session, self._gallery_id, image_ids)

    def _forget(self, image_ids: Collection[str]) -> None:
        """Have the embed job make these points anew."""
        if self._round.mend and image_ids:
            with self._round.work.write() as session:
                rows.forget_held(session, self._gallery_id, image_ids)
                ensure_embed(session, self._round.runtime.queue, self._gallery_id)

    def _update(self, image_ids: Collection[str]) -> None:
        """Have the embed job write these payloads anew."""
        if self._round.mend and image_ids:
            with self._round.work.write() as session:
                rows.make_stale(session, self._gallery_id, image_ids)
                ensure_embed(session, self._round.runtime.queue, self._gallery_id)
        self._found("stale_payloads", image_ids)

    def _unattended(self) -> None:
        """Work that is left though nobody is to do it: the last embed job failed or was ended."""
        with self._round.work.read() as session:
            left = anything_left(session, self._gallery_id)
            if not left or rows.has_embed_job(session, self._gallery_id):
                return
        if self._round.mend:
            with self._round.work.write() as session:
                ensure_embed(session, self._round.runtime.queue, self._gallery_id)
        self._found("unattended", [self._gallery_id])
