"""What a reconciliation found and what it did about it, as counts and as sentences."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

SHOWN_NAMES = 5
SHOWN_LOST = 1000


@dataclass(frozen=True, slots=True)
class Kind:
    """One way in which the parts can disagree: what it is, one and many, and how it is mended."""

    one: str
    many: str
    mended: str


KINDS = {
    "lost_galleries": Kind(
        "gallery that its store has lost",
        "galleries that their store has lost",
        "made again, and the whole catalogue is embedded into it",
    ),
    "rows_without_point": Kind(
        "image whose gallery has no point of it",
        "images whose gallery has no point of them",
        "embedded again",
    ),
    "points_without_row": Kind(
        "point whose image is gone", "points whose image is gone", "deleted"
    ),
    "bad_vectors": Kind(
        "point whose vector no search can use",
        "points whose vectors no search can use",
        "deleted, and the image is embedded again",
    ),
    "stale_payloads": Kind(
        "point that filters by other values than the catalogue's",
        "points that filter by other values than the catalogue's",
        "brought up to date by the embed job",
    ),
    "unattended": Kind(
        "gallery that has images waiting though no job embeds them",
        "galleries that have images waiting though no job embeds them",
        "a job was queued",
    ),
    "restored": Kind(
        "stored picture that was damaged while an import held its bytes",
        "stored pictures that were damaged while an import held their bytes",
        "stored again",
    ),
    "recovered": Kind(
        "image marked as lost whose bytes are back",
        "images marked as lost whose bytes are back",
        "the mark was taken away",
    ),
    "blobs_without_row": Kind(
        "stored file that the catalogue does not know",
        "stored files that the catalogue does not know",
        "deleted",
    ),
    "unused_blobs": Kind(
        "stored picture that no product shows", "stored pictures that no product shows", "deleted"
    ),
    "renditions_without_blob": Kind(
        "thumbnail or preview without its picture",
        "thumbnails and previews without their pictures",
        "deleted",
    ),
    "damaged_copies": Kind(
        "damaged copy that is not needed any more",
        "damaged copies that are not needed any more",
        "deleted",
    ),
    "staged_leftovers": Kind(
        "uploaded file that no import waits for",
        "uploaded files that no import waits for",
        "deleted",
    ),
    "half_written": Kind(
        "half-written file of a process that is gone",
        "half-written files of processes that are gone",
        "deleted",
    ),
}


class Lost(NamedTuple):
    """An image whose bytes cannot be had back from anything here, and what to do, in a sentence."""

    sku: str
    sentence: str


class Line(NamedTuple):
    """A line of the report: what it is about, found, mended or lost, and a sentence."""

    name: str
    outcome: str
    sentence: str


class Ledger:
    """Counts what was compared, found and mended; keeps a few names of each kind, not all."""

    def __init__(self, *, mending: bool) -> None:
        self.mending = mending
        self.compared: Counter[str] = Counter()
        self.lost = 0
        self._found: Counter[str] = Counter()
        self._names: dict[str, list[str]] = {kind: [] for kind in KINDS}
        self._lost: list[Lost] = []
        self._galleries: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def found(self, kind: str, names: Collection[str], gallery: str | None = None) -> None:
        """Note things of one kind, mended by now if this round mends, and whose gallery's."""
        self._found[kind] += len(names)
        if gallery is not None:
            self._galleries[gallery][kind] += len(names)
        shown = self._names[kind]
        shown.extend(sorted(names)[: SHOWN_NAMES - len(shown)])

    def told_lost(self, lost: Sequence[Lost]) -> None:
        """Note images whose bytes are lost; the first thousand are told one by one."""
        self.lost += len(lost)
        self._lost.extend(lost[: SHOWN_LOST - len(self._lost)])

    @property
    def in_line(self) -> bool:
        """Whether nothing at all was found."""
        return not self.lost and not self._found.total()

    def result(self) -> dict[str, int]:
        """Counts for programs: what was compared, each kind that was found, and the lost."""
        found = {kind: self._found[kind] for kind in KINDS if self._found[kind]}
        return {**self.compared, **found, "lost": self.lost}

    def by_gallery(self) -> dict[str, dict[str, int]]:
        """The kinds that were found in each gallery that was compared; none in most."""
        return {
            gallery: {kind: count for kind, count in found.items() if count}
            for gallery, found in self._galleries.items()
        }

    def lines(self) -> list[Line]:
        """The report: one line for each kind that was found, and one for each lost image."""
        outcome = "mended" if self.mending else "found"
        kinds = [
            Line(KINDS[kind].many, outcome, self._sentence(kind))
            for kind in KINDS
            if self._found[kind]
        ]
        lost = [Line(one.sku, "lost", one.sentence) for one in self._lost]
        rest = self.lost - len(lost)
        if rest:
            lost.append(Line(f"{rest:,} more", "lost", _MORE.format(rest=rest)))
        return [*kinds, *lost]

    def _sentence(self, kind: str) -> str:
        count, names, words = self._found[kind], self._names[kind], KINDS[kind]
        noun = words.one if count == 1 else words.many
        rest = f" and {count - len(names):,} more" if count > len(names) else ""
        shown = f" ({', '.join(names)}{rest})" if names else ""
        done = f": {words.mended}" if self.mending else ""
        return f"{count:,} {noun}{shown}{done}."


_MORE = "{rest:,} more images have lost their stored bytes: import their pictures again."
