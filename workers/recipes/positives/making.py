"""From distinct pictures, their captions and features to new triplets on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from backend.errors import InvalidInput
from workers.captioning.captions import Cancelled, Captions, Report
from workers.recipes.positives.duplicates import Distinct
from workers.recipes.positives.formats import TripletFiles
from workers.recipes.positives.pairing import Dropped, Gallery, Pair, draw_pairs, sampled
from workers.recipes.positives.rank_bands import Rows
from workers.recipes.positives.review import ReviewSheets
from workers.recipes.positives.schema import PositivesParams
from workers.recipes.positives.templates import Cut
from workers.trainer.features import CachedFeatures

SUMMARY = "summary.json"


@dataclass(frozen=True)
class Summary:
    """What was made of what; every picture that was left out is named, with the reason."""

    stopped: Literal["done", "cancelled"]
    protocol: str
    gallery: int = 0
    references: int = 0
    band: tuple[int, int] = (0, 0)
    triplets: int = 0
    same_caption: int = 0
    duplicates: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[str] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    without_caption: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[str] = ()
    sheets: int = 0

    def sentence(self) -> str:
        """For people."""
        if self.stopped == "cancelled":
            return "Cancelled: no new triplets were written."
        return (
            f"{self.triplets:,} new triplets of {self.references:,} references among "
            f"{self.gallery:,} pictures, ranks {self.band[0]:,} to {self.band[1]:,}; left out: "
            f"{len(self.duplicates):,} duplicates, {len(self.missing):,} missing, "
            f"{len(self.unreadable):,} unreadable, {len(self.without_caption):,} without a "
            f"caption, {self.same_caption:,} pairs with the same caption."
        )


class Stopped(Exception):
    """It was cancelled half way."""


def make_triplets(
    distinct: Distinct,
    captions: Captions,
    features: CachedFeatures,
    params: PositivesParams,
    out: Path,
    report: Report,
    cancelled: Cancelled,
    *,
    cut: Cut,
    references: Sequence[str] | None = None,
    missing: Sequence[str] = (),
) -> Summary:
    """Pair, tell and write: SPN4CIR's steps 2 and 3 (Feng et al. 2024).

    cut: whether texts are too long for the backbone that will read them. references: the pictures
    that get targets; all if None. missing: names without a file, for the summary. Pictures without
    a caption or features take no part.

    Writes both caption files, the review sheets and `summary.json` below `out`; cancelled half
    way, it leaves the triplets of an earlier run as they were. Raises InvalidInput where too few
    pictures are left for the band, or no pair is.
    """
    _check_told(captions)
    gallery = _gallery(distinct, captions, features)
    places = _places(gallery, distinct, references)
    band = params.band(len(gallery.names))
    total = len(places) * params.targets
    files = TripletFiles(out, params.name)
    shown = sampled(total, params.review_pairs, params.seed)
    sheets = ReviewSheets(out / "review", distinct.kept, shown)
    dropped = Dropped()
    blocks = draw_pairs(gallery, places, band, params, cut, dropped)
    done = _write(_until(cancelled, blocks), files, sheets, lambda n: report("triplets", n, total))
    summary = Summary(
        stopped="done" if done else "cancelled",
        protocol=params.protocol,
        gallery=len(gallery.names),
        references=len(places),
        band=(band.first, band.stop),
        triplets=files.count if done else 0,
        same_caption=dropped.same_caption,
        duplicates=distinct.same_as,
        missing=missing,
        unreadable={**distinct.unreadable, **features.unreadable},
        without_caption=captions.failed,
        files=[str(path) for path in files.paths] if done else [],
        sheets=len(sheets.paths),
    )
    _write_summary(out / SUMMARY, summary)
    return summary


def _write(
    blocks: Iterator[list[Pair]],
    files: TripletFiles,
    sheets: ReviewSheets,
    written: Callable[[int], None],
) -> bool:
    """Whether all was written; else there is nothing new."""
    done = False
    try:
        with files.opened():
            for pairs in blocks:
                files.write(pairs)
                sheets.add(pairs)
                written(files.count)
            _check_some(files.count)
            sheets.close()
        done = True
    except Stopped:
        pass
    finally:
        if not done:
            sheets.discard()
    return done


def _until(cancelled: Cancelled, blocks: Iterator[list[Pair]]) -> Iterator[list[Pair]]:
    for pairs in blocks:
        if cancelled():
            raise Stopped
        yield pairs


def _gallery(distinct: Distinct, captions: Captions, features: CachedFeatures) -> Gallery:
    row = {name: number for number, name in enumerate(features.names)}
    names = [name for name in distinct.kept if name in row and name in captions.texts]
    rows = features.stored_rows[np.array([row[name] for name in names], dtype=np.int64)]
    return Gallery(names, rows, features.stored, captions.texts)


def _places(gallery: Gallery, distinct: Distinct, references: Sequence[str] | None) -> Rows:
    """Where the references stand in the gallery, each once; those that are not in it are left."""
    if references is None:
        return np.arange(len(gallery.names))
    place = {name: number for number, name in enumerate(gallery.names)}
    kept = dict.fromkeys(distinct.representative(name) for name in references)
    return np.array([place[name] for name in kept if name in place], dtype=np.int64)


def _check_told(captions: Captions) -> None:
    if not captions.texts:
        name, reason = next(iter(captions.failed.items()), ("any", "there is none"))
        raise InvalidInput(f"No picture has a caption, {name} because {reason}.")


def _check_some(count: int) -> None:
    if count == 0:
        raise InvalidInput(
            "No new triplet came out: there is no reference among the pictures, or all pairs have "
            "the same caption twice: use other captions, or more pictures."
        )


def _write_summary(path: Path, summary: Summary) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.part")
    aside.write_text(json.dumps(asdict(summary), indent=1) + "\n", encoding="utf-8")
    aside.replace(path)
