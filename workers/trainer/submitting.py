"""A model's rankings as the files that the test servers of CIRR and CIRCO take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backend.errors import InvalidInput
from workers.datasets.triplets import TripletSplit
from workers.metrics.scores import Rows
from workers.metrics.selection import best_items, best_of_subsets
from workers.metrics.submissions import (
    CIRCO_QUERIES,
    LISTED,
    SUBSET_LISTED,
    circo_file,
    cirr_files,
    write_files,
)
from workers.trainer.posing import Desk, Posed, composed_of


def submit_cirr(desk: Desk, split: TripletSplit, out: Path) -> list[Path]:
    """The two files of a CIRR split, the reference left out of both.

    Raises InvalidInput where a picture is missing or a rule of the server broken; nothing is
    written then.
    """
    posed = _posed(desk, split)
    asked, scorer = posed.questions.asked, composed_of(desk.model, posed, desk.texts)
    recall = _lists(posed, best_items(scorer, LISTED, asked.references))
    few = best_of_subsets(scorer, asked.subsets, SUBSET_LISTED, asked.references)
    return write_files(out, cirr_files(posed.questions.triplets, recall, _lists(posed, few)))


def submit_circo(desk: Desk, split: TripletSplit, out: Path) -> list[Path]:
    """The file of a CIRCO split, the reference among the ranked, as its evaluation has it; raising
    as `submit_cirr` does."""
    posed = _posed(desk, split)
    lists = _lists(posed, best_items(composed_of(desk.model, posed, desk.texts), LISTED))
    queries = CIRCO_QUERIES if split.name == "circo/test" else len(split.triplets)
    return write_files(out, circo_file(lists, queries))


def _posed(desk: Desk, split: TripletSplit) -> Posed:
    posed = desk.pose(split, answered=False)
    missing = posed.questions.split.missing_sentence()
    if missing is not None:
        raise InvalidInput(f"{missing} The server ranks them all, so none may be missing.")
    return posed


def _lists(posed: Posed, rows: Rows) -> dict[str, Sequence[str]]:
    gallery, triplets = posed.questions.gallery, posed.questions.triplets
    return {
        one.id: [gallery[row] for row in best] for one, best in zip(triplets, rows, strict=True)
    }
