"""What came of the story of a model on the demo, as tables."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from backend.registry.schemas import VersionOut
from benchmarks.tables import RESULTS, Table, write

SURELY_RIGHT, SURELY_WRONG = 0.9, 0.1
ASKED = 190  # held-out queries that are asked before and after
KS = ("R@1", "R@5", "R@10")


@dataclass
class Chapter:
    """What came of one training."""

    count: int
    reviewed: bool
    triplets: int
    wrong: int
    seconds: float
    version: VersionOut
    gate: str
    promoted_ms: float = 0.0
    first_answer_seconds: float = 0.0
    better: int = 0
    worse: int = 0
    example: str = ""
    back_ms: float = 0.0


@dataclass
class Book:
    """All chapters, and how well the score told wrong from right."""

    chapters: list[Chapter] = field(default_factory=list)
    scores: list[list[object]] = field(default_factory=list)


def tell(book: Book, quick: bool) -> None:
    """Write benchmarks/results/story.md; a quick one goes elsewhere."""
    scores = Table(
        ("triplets", "wrong", "scored in s", "AUC", f"accepted at {SURELY_RIGHT} in bulk",
         f"rejected below {SURELY_WRONG}", "left to look at"),
        book.scores,
        "How well the score tells what shoppers said wrongly, and what a review saves.",
    )  # fmt: skip
    figures = Table(
        ("feedback", "trained on", "of these wrong", "s to train and measure",
         *(f"{k} (sum)" for k in KS), "gate"),
        [_figures(one) for one in book.chapters],
        "Held-out triplets of the split test, percent with 95 % interval; in brackets the sum, "
        "measured on the same triplets.",
    )  # fmt: skip
    answers = Table(
        ("feedback", "click to first answer, s", "promoted, ms", "rolled back, ms",
         "sooner", "later", "the greatest step"),
        [
            [_name(one), one.first_answer_seconds, one.promoted_ms, one.back_ms, one.better,
             one.worse, one.example]
            for one in book.chapters
        ],
        f"The same {ASKED} held-out searches before and after the promotion: how often the right "
        "product came sooner or later. The click is the one that starts the training.",
    )  # fmt: skip
    folder = Path(tempfile.mkdtemp()) if quick else RESULTS
    write("story", "A model's life on the demo", scores, figures, answers, folder=folder)


def _name(one: Chapter) -> str:
    return f"{one.count:,} {'reviewed' if one.reviewed else 'as they came'}"


def _figures(one: Chapter) -> list[object]:
    ways = one.version.figures["held_out"]["ways"]
    shown = [
        f"{ways['composed'][k][0]:.1f} [{ways['composed'][k][1]:.1f}, {ways['composed'][k][2]:.1f}]"
        f" ({ways['active'][k][0]:.1f})"
        for k in KS
    ]
    return [_name(one), one.triplets, one.wrong, one.seconds, *shown, one.gate]
