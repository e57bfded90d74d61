"""The methods' costs against the published algorithms written down plainly: metrics, training
steps, banks and texts, at the sizes of the field's benchmarks."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.comparing import COLUMNS, Item, Row, compared
from benchmarks.method_metrics import metric_items
from benchmarks.method_storing import appending_item
from benchmarks.method_training import training_items
from benchmarks.tables import RESULTS, Table, write

NAME = "methods"
QUICK_OUT = Path("runs/methods-quick")
CAPTION = (
    "Seconds are medians of one to three turns taken in turns, after one of each that is not "
    "counted. *published*: the algorithm as the paper's code is described, written down plainly "
    "in benchmarks/published; pictures are decoded for it outside the measured time, except for "
    "the bank. *anew*: each turn in a new process, as a command is run, and not after a turn "
    "that left memory behind: the published metrics and appending fill much of it, and fresh "
    "memory costs more than used. MB: what that process holds at most besides what it is given. "
    "Towers have random weights; dropout and noise are off, so that both ways have the same loss."
)


def main(*, quick: bool = False) -> None:
    """quick: everything small and once, to see that all of it works; its table is kept apart."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        for group in _groups(Path(temporary), quick):
            print(*(item.what for item in group), sep="\n", flush=True)
            rows += compared(*group)
    write(
        NAME,
        "The methods, against the published algorithms",
        Table(COLUMNS, rows, CAPTION),
        command=f"{NAME} --quick" if quick else NAME,
        folder=QUICK_OUT if quick else RESULTS,
    )


def _groups(scratch: Path, quick: bool) -> list[list[Item]]:
    """All items, those together that have the published way in common."""
    groups = [
        [appending_item(scratch, 1_700 if quick else 16_939)],
        *([item] for item in metric_items(0.05 if quick else 1.0)),
        *training_items(scratch, 0.1 if quick else 1.0),
    ]
    return [[replace(item, turns=1) for item in group] for group in groups] if quick else groups
