"""The blob store against SQL: every row its file, every file its row.

An import writes a file before the row that says so, so a file without a row counts only once it
has been there for an hour. Bytes that are gone cannot be made from anything, so the image is
marked with what to do; importing the same picture again heals it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence

from backend.blob_files import StoredFile
from backend.blobs import Area
from backend.errors import NotFound, Unavailable
from workers.reconciliation import blob_rows as rows
from workers.reconciliation.blob_rows import BlobRow
from workers.reconciliation.comparing import in_batches, paged, side_by_side
from workers.reconciliation.rounds import GRACE_ASIDE, Round
from workers.removing import delete_unused_blobs

AT_ONCE = 500  # in one transaction
_BYTES, _RENDITION = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{64}\.webp")
_OURS: dict[Area, re.Pattern[str]] = {
    "originals": _BYTES,
    "thumbnails": _RENDITION,
    "previews": _RENDITION,
    "damaged": _BYTES,
    "staged": _BYTES,
}
_DERIVED: dict[Area, str] = {
    "thumbnails": "renditions_without_blob",
    "previews": "renditions_without_blob",
    "damaged": "damaged_copies",
}


def reconcile_blobs(this: Round) -> None:
    """Compare the blob store with SQL, and mend it if the round does.

    Raises:
        Unavailable: as soon as bytes are missed while the store holds no picture at all, at the
            start or in the middle: it is likelier that its folder is not mounted than that every
            picture is lost.
    """
    comparison = _Comparison(this)
    comparison.originals()
    for area, kind in _DERIVED.items():
        comparison.derived(area, kind)
    comparison.unused()
    comparison.staged()
    comparison.aside()


class _Comparison:
    def __init__(self, this: Round) -> None:
        self._round = this
        self._ledger = this.ledger
        self._work = this.work
        self._blobs = this.runtime.blobs
        self._grown = this.cutoff()

    def originals(self) -> None:
        with self._work.read() as session:
            marked = rows.any_marked(session)
        files = ((file.name, file) for file in self._files("originals"))
        for batch in in_batches(side_by_side(self._rows(), files), self._round.page):
            held = {key: (row, file) for key, row, file in batch if row is not None}
            self._round.progress.add("comparing pictures", len(held))
            self._ledger.compared["blobs"] += len(held)
            self._strangers([file for _, row, file in batch if row is None and file is not None])
            suspects = [key for key, (row, file) in held.items() if self._is_lost(row, file)]
            lost = self._unless_restored(suspects)
            self._lost(lost)
            if marked:
                self._recovered(sorted(held.keys() - set(lost)))

    def derived(self, area: Area, kind: str) -> None:
        """Renditions of blobs that are gone, and damaged copies of those that are whole again."""
        files = ((file.name[:64], file) for file in self._files(area))
        for batch in in_batches(side_by_side(self._rows(), files), self._round.page):
            old = {
                key: file.name
                for key, row, file in batch
                if file is not None and file.modified < self._grown
                if row is None or (area == "damaged" and self._blobs.size(key) == row.size)
            }
            left = self._without_use(area, old)
            if self._round.mend:
                for key in left:
                    self._blobs.discard(area, old[key])
            self._ledger.found(kind, left)

    def _without_use(self, area: Area, names: Mapping[str, str]) -> list[str]:
        """Looked at once more; of damaged copies it was the blob itself that was looked at."""
        with self._work.read() as session:
            gone = rows.unknown(session, names) if area != "damaged" else sorted(names)
        return [sha256 for sha256 in gone if self._blobs.holds(area, names[sha256])]

    def unused(self) -> None:
        """Rows of blobs that no image shows."""
        found = [""]
        while found:
            with self._work.read() as session:
                found = rows.unused(session, self._grown, found[-1], AT_ONCE)
            if found and self._round.mend:
                with self._work.write() as session:
                    delete_unused_blobs(session, self._blobs, found)
            self._ledger.found("unused_blobs", found)

    def staged(self) -> None:
        old = (file.name for file in self._files("staged") if file.modified < self._grown)
        for batch in in_batches(old, AT_ONCE):
            with self._work.read() as session:
                left = rows.staged_unclaimed(session, batch, lock=False)
            left = [sha256 for sha256 in left if self._blobs.staged(sha256)]
            if left and self._round.mend:
                with self._work.write() as session:
                    left = rows.staged_unclaimed(session, left, lock=True)
                    for sha256 in left:
                        self._blobs.unstage(sha256)
            self._ledger.found("staged_leftovers", left)

    def aside(self) -> None:
        cutoff = self._round.cutoff(GRACE_ASIDE)
        old = (file.name for file in self._blobs.files("aside") if file.modified < cutoff)
        for batch in in_batches(old, AT_ONCE):
            if self._round.mend:
                for name in batch:
                    self._blobs.discard("aside", name)
            self._ledger.found("half_written", batch)

    def _rows(self) -> Iterator[tuple[str, BlobRow]]:
        def page(after: str | None) -> list[BlobRow]:
            with self._work.read() as session:
                return rows.blob_rows(session, after, self._round.page)

        return paged(page, key=lambda row: row.sha256)

    def _files(self, area: Area) -> Iterator[StoredFile]:
        """Those that are ours: whatever else somebody put there stays."""
        return (file for file in self._blobs.files(area) if _OURS[area].fullmatch(file.name))

    def _is_lost(self, row: BlobRow, file: StoredFile | None) -> bool:
        """A size that differs is looked into: only the hash says whether the bytes are wrong."""
        if file is None:
            return True
        if file.size == row.size and not self._round.deep:
            return False
        return not self._blobs.is_intact(row.sha256)

    def _strangers(self, files: Sequence[StoredFile]) -> None:
        """Files that SQL did not know when they were listed."""
        old = [file.name for file in files if file.modified < self._grown]
        with self._work.read() as session:
            unknown = rows.unknown(session, old)
        # A deletion that has just been committed took the row and the file.
        found = [sha256 for sha256 in unknown if self._blobs.exists(sha256)]
        if self._round.mend:
            found = [sha256 for sha256 in found if self._delete_unknown(sha256)]
        self._ledger.found("blobs_without_row", found)

    def _delete_unknown(self, sha256: str) -> bool:
        with self._work.write() as session:
            return rows.delete_unknown(session, self._blobs, sha256)

    def _unless_restored(self, suspects: Sequence[str]) -> list[str]:
        restored = {sha256 for sha256 in suspects if self._restored(sha256)}
        self._ledger.found("restored", restored)
        return sorted(set(suspects) - restored)

    def _lost(self, suspects: Sequence[str]) -> None:
        sizes = {sha256: self._blobs.size(sha256) for sha256 in suspects}
        # An import may have stored the bytes anew since the files were listed.
        suspects = [sha256 for sha256 in suspects if not self._blobs.is_intact(sha256)]
        self._check_store(suspects)
        for few in in_batches(suspects, AT_ONCE):
            with self._work.write() as session:
                # A deletion may have been half-way, or an import may store them at this moment.
                lost = [key for key in rows.held_fast(session, few) if self._same(key, sizes[key])]
                images = rows.lost_images(session, lost)
                if self._round.mend:
                    rows.mark_lost(session, images)
                    for sha256 in (key for key in lost if sizes[key] is not None):
                        self._blobs.set_apart(sha256)
            self._ledger.told_lost([told for _, told in images])

    def _check_store(self, suspects: Sequence[str]) -> None:
        """Between the two looks for what is lost: the store was there while its files were not."""
        if not suspects or next(self._files("originals"), None) is not None:
            return
        if self._still_known(suspects):  # else a deletion took rows and files
            with self._work.read() as session:
                known = rows.count_blobs(session)
            raise Unavailable(
                f"The blob store {self._round.runtime.settings.blob_root} holds no picture, and "
                f"the catalogue has {known:,}: see that its folder or bucket is there, or restore "
                "it from a backup."
            )

    def _still_known(self, suspects: Sequence[str]) -> bool:
        """Whether any is a blob once the deletions that are half-way have ended.

        They take the files first, so that for a moment every row may be there without its file.
        """
        for few in in_batches(suspects, AT_ONCE):
            with self._work.write() as session:
                if rows.held_fast(session, few):
                    return True
        return False

    def _same(self, sha256: str, size: int | None) -> bool:
        return self._blobs.size(sha256) == size

    def _restored(self, sha256: str) -> bool:
        """Whether an import still holds the same bytes, so that they can be stored again."""
        try:
            data = self._blobs.read_staged(sha256)
        except NotFound:
            return False
        if hashlib.sha256(data).hexdigest() != sha256:
            return False
        if self._round.mend:
            self._blobs.set_apart(sha256)
            self._blobs.put(data)
        return True

    def _recovered(self, sha256s: Sequence[str]) -> None:
        with self._work.read() as session:
            back = rows.marked(session, sha256s)
        if back and self._round.mend:
            with self._work.write() as session:
                rows.unmark(session, back)
        self._ledger.found("recovered", back)
