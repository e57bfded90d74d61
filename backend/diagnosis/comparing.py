"""Whether SQL, blobs and galleries say the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from backend.agreement import Agreement
from backend.diagnosis.finding import Finding
from backend.errors import AkinError


def agreement(compare: Callable[[], Agreement | None], *, mended: bool) -> Finding:
    """Whether SQL, blobs and galleries agree, as `compare` finds it."""
    part = "agreement"
    try:
        found = compare()
    except AkinError as error:
        return Finding(part, good=False, sentence=error.sentence)
    if found is None:
        return Finding(part, good=True, sentence="nothing to compare yet.")
    counts = _in_words(found.counts)
    if not found.sentences:
        return Finding(part, good=True, sentence=f"SQL, blobs and galleries agree: {counts}.")
    good = mended and not found.lost
    return Finding(part, good, f"{_told(found, mended=mended)} ({counts}).", found.sentences)


def _told(found: Agreement, *, mended: bool) -> str:
    told = []
    if found.found and mended:
        told.append(f"{found.found:,} things were out of line and are mended")
    elif found.found:
        told.append(f"{found.found:,} things are out of line: `akin doctor --repair` mends them")
    if found.lost:
        told.append(f"{found.lost:,} images have lost their stored bytes: import them again")
    return "; ".join(told)


def _in_words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts.get(part, 0):,} {part}" for part in ("images", "points", "blobs"))
