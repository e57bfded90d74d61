"""The methods' costs against the published algorithms written down plainly: metrics, training
steps, banks and texts, at the sizes of the field's benchmarks."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.comparing import COLUMNS, compared
from benchmarks.method_metrics import metric_items
from benchmarks.method_training import appending_item, training_items
from benchmarks.tables import RESULTS, Table, write

CAPTION = (
    "Seconds are medians of turns taken in turns, after one of each that is not counted. "
    "*published*: the algorithm as the paper's code is described, written down plainly in "
    "benchmarks/published; pictures are decoded for it outside the measured time, where it is not "
    "said otherwise. MB: numpy's and Python's own, torch's tensors left out. Towers have random "
    "weights; dropout and noise are off, so that both ways have the same loss."
)


def main(*, quick: bool = False, folder: Path = RESULTS) -> None:
    """quick: everything small and once, to see that all of it works."""
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        items = [
            # First: in a process that holds much already, its big blocks come from what was freed.
            appending_item(scratch, 1_700 if quick else 16_939),
            *metric_items(0.05 if quick else 1.0),
            *training_items(scratch, 0.1 if quick else 1.0),
        ]
        rows = []
        for item in items:
            print(item.what, flush=True)
            rows.append(compared(item))
    write(
        "methods",
        "The methods, against the published algorithms",
        Table(COLUMNS, rows, CAPTION),
        folder=folder,
    )
