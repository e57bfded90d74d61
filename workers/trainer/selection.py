"""Which weights of a run are kept: those of the evaluation with the highest figure."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from torch import Tensor

from backend.errors import InvalidInput
from workers.trainer import checkpoints
from workers.trainer.checkpoints import Weights
from workers.trainer.objective import Figures


class Selection:
    """The best evaluation so far, with its weights.

    The first figure that is a number is the best one yet, be it zero or below; one that is not a
    number is never chosen; of equal ones the first stays. Without a name the newest is chosen.

    The weights wait in memory until a checkpoint is saved, and lie in a file of their own beside
    it: `best-STEP.pt`. So a checkpoint and the best weights it speaks of always belong together.
    """

    def __init__(self, name: str | None, weights: Weights, folder: Path) -> None:
        self.name, self._weights, self._folder = name, weights, folder
        self.step = 0
        self.figures: Figures = {}
        self.stale = 0
        """Evaluations since the best one."""
        self._waiting: dict[str, Tensor] | None = None

    def offer(self, figures: Figures, step: int) -> None:
        """An evaluation at `step`. Raises InvalidInput where it lacks the figure to choose by."""
        if self._is_better(figures):
            self.step, self.figures, self.stale = step, dict(figures), 0
            self._waiting = None if self.name is None else self._weights.copied()
        else:
            self.stale += 1

    def save(self) -> None:
        """Writes the best weights, if they are not yet on the disk."""
        if self._waiting is not None:
            checkpoints.write(self._path, {"weights": self._waiting, "step": self.step})
            self._waiting = None

    def tidy(self) -> None:
        """Removes what an earlier checkpoint spoke of."""
        for path in self._folder.glob("best-*.pt"):
            if path != self._path:
                path.unlink(missing_ok=True)

    def apply(self) -> None:
        """Gives the model the best weights, where some were chosen."""
        if self.name is None or not self.figures:
            return
        waiting = self._waiting
        best = checkpoints.read(self._path)["weights"] if waiting is None else waiting
        self._weights.load_state_dict(best)

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step, "figures": dict(self.figures), "stale": self.stale}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step, self.figures, self.stale = state["step"], state["figures"], state["stale"]

    @property
    def _path(self) -> Path:
        return self._folder / f"best-{self.step}.pt"

    def _is_better(self, figures: Figures) -> bool:
        if self.name is None:
            return True
        if self.name not in figures:
            raise InvalidInput(
                f"The weights are to be chosen by {self.name}, and an evaluation gives "
                f"{', '.join(figures) or 'no figures'}: choose by one of those."
            )
        value = figures[self.name]
        return not math.isnan(value) and (not self.figures or value > self.figures[self.name])
