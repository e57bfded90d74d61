"""The child's side of what is reported: throttled, averaged, a line each."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, BinaryIO

from backend import clock
from workers.training_spec import Preparing, Remark, Report, Step

if TYPE_CHECKING:
    from workers.trainer.objective import Line

PERIOD_SECONDS = 0.5
POINTS = 2_000


class StopAsked(Exception):
    """The parent wants the work to end, and it is in the middle of preparing."""


class Reports:
    """Tells the parent about one work; `stop` is set once it asks to stop."""

    def __init__(self, pipe: BinaryIO, stop: threading.Event) -> None:
        self.stop = stop
        self._pipe = pipe
        self._told = -math.inf
        self._losses: list[float] = []

    def tell(self, report: Report) -> None:
        """Send one report at once."""
        self._pipe.write(report.model_dump_json().encode() + b"\n")
        self._pipe.flush()
        self._told = clock.monotonic()

    def remark(self, sentence: str) -> None:
        """Tell a sentence about what is left out."""
        self.tell(Remark(sentence=sentence[:1_000]))

    def preparing(self, what: str, done: int, total: int) -> None:
        """Tell what is prepared, not more often than twice a second but for its end.

        Raises:
            StopAsked: if the parent has asked to stop.
        """
        if self.stop.is_set():
            raise StopAsked
        if done >= total or self._is_time:
            self.tell(Preparing(what=what[:100], done=done, total=total))

    def step(self, line: Line) -> None:
        """Tell a step if it is a point of the curve, or nothing was told for half a second."""
        self._losses.append(line.loss)
        figures = {k: v if math.isfinite(v) else None for k, v in line.figures.items()}
        period = max(1, line.steps // POINTS)
        point = bool(figures) or line.step % period == 0 or line.step == line.steps
        if not point and not self._is_time:
            return
        loss = sum(self._losses) / len(self._losses)
        if point:
            self._losses.clear()
        self.tell(
            Step(
                step=line.step,
                steps=line.steps,
                epoch=round(line.epoch, 4),
                loss=loss,
                lr=line.lr,
                seconds=round(line.seconds, 2),
                rate=line.rate,
                point=point,
                figures=figures,
            )
        )

    @property
    def _is_time(self) -> bool:
        return clock.monotonic() - self._told >= PERIOD_SECONDS
