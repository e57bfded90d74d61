"""The curves of a run as data: one JSON object a line, loss and figures against the step."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from backend.whole_files import write_whole
from workers.trainer.objective import Figures, Line

FILE = "curves.jsonl"
POINTS = 2_000  # lines a run writes at most, besides those of its evaluations


class Curves:
    """Writes `curves.jsonl`: the mean loss since the line before, and figures where there are any.

    What stands behind the step of a resumed checkpoint is cut off: the run tells it again.
    """

    def __init__(self, folder: Path, steps: int) -> None:
        self._path, self._period = folder / FILE, max(1, steps // POINTS)
        self._losses: list[float] = []
        self._file: TextIO | None = None

    def open(self, step: int) -> None:
        """To be written on from `step`."""
        kept = [line for line in read_curves(self._path.parent) if line["step"] <= step]
        write_whole(self._path, "".join(f"{json.dumps(line)}\n" for line in kept).encode())
        self._file = self._path.open("a")

    def add(self, line: Line) -> None:
        self._losses.append(line.loss)
        if self._file is None or (line.step % self._period and not line.figures):
            return
        facts = {
            "step": line.step,
            "epoch": round(line.epoch, 4),
            "loss": sum(self._losses) / len(self._losses),
            "lr": line.lr,
            "seconds": round(line.seconds, 2),
            **({"figures": _numbers(line.figures)} if line.figures else {}),
        }
        self._file.write(f"{json.dumps(facts)}\n")
        self._losses.clear()

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def state_dict(self) -> dict[str, Any]:
        return {"losses": list(self._losses)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._losses = list(state["losses"])


def _numbers(figures: Figures) -> dict[str, float | None]:
    """JSON knows no NaN."""
    return {name: v if math.isfinite(v) else None for name, v in figures.items()}


def read_curves(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's curves, in order; one that was cut off by a kill is left out."""
    path = folder / FILE
    return list(_whole(path)) if path.is_file() else []


def _whole(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return
