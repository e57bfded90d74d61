"""One run of `fit`: its steps, evaluations and checkpoints, from where it stands to its end."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from backend import clock
from backend.errors import AkinError
from workers.prefetching import ahead
from workers.trainer import checkpoints
from workers.trainer.checkpoints import CHECKPOINT, Progress, Weights
from workers.trainer.curve_picture import draw_curves
from workers.trainer.curves import Curves
from workers.trainer.distributed import Team
from workers.trainer.objective import Figures, Line, Objective, Outcome, Stopped
from workers.trainer.options import FitOptions
from workers.trainer.order import Order
from workers.trainer.selection import Selection
from workers.trainer.updating import Updates

Batch = TypeVar("Batch")


class Diverged(AkinError):
    """The loss, or a weight, is no longer a number; the last good checkpoint is kept."""

    code = "diverged"


class Run(Generic[Batch]):
    def __init__(
        self, objective: Objective[Batch], options: FitOptions, folder: Path, team: Team
    ) -> None:
        """Arguments, and errors, as of `fit`."""
        self.objective, self.options, self.folder, self.team = objective, options, folder, team
        self.order = Order(objective.count, options.batch, options.seed)
        self.steps = options.steps or self._steps_in(options.epochs or 0)
        self.updates = Updates(objective, options, self.order, self.steps, team)
        self.weights = Weights(objective.trained())
        self.selection = Selection(options.select, self.weights, folder)
        self.curves = Curves(folder, self.steps)
        self.progress, self.resumed = Progress(), Progress()
        self.kept: int | None = None  # the step of the checkpoint on the disk
        self.started = self.saved = clock.monotonic()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Resumes, and closes what it opened."""
        path = self.folder / CHECKPOINT
        if self.team.agree(path.exists()):
            self.resumed = checkpoints.restore(path, facts=self._facts(), **self._parts())
            self.progress = replace(self.resumed)
            self.kept = self.resumed.step
        if self.team.leads:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.curves.open(self.progress.step)
        self.started = self.saved = clock.monotonic()
        try:
            yield
        finally:
            self.curves.close()

    def train(
        self,
        evaluate: Callable[[], Figures] | None,
        cancelled: Callable[[], bool],
        report: Callable[[Line], None],
    ) -> Outcome:
        """To the end of the run or segment; arguments as of `fit`."""
        if evaluate is not None and self._start_is_to_be_measured():
            self._measure(evaluate)
        self.objective.train_mode()
        with closing(self._loaded()) as batches:
            while (stopped := self._verdict(cancelled)) is None:
                line = self._step(next(batches), evaluate)
                if self.team.leads:
                    self._tell(line, report)
        return self._end(stopped)

    def _step(self, batches: list[list[Batch]], evaluate: Callable[[], Figures] | None) -> Line:
        loss = self.updates.make(self.progress.step, batches)
        if not math.isfinite(loss):
            raise self._diverged(f"The loss became {loss} at step {self.progress.step + 1:,}")
        self.progress.step += 1
        figures = self._figures(evaluate)
        own = clock.monotonic() - self.started
        self.progress.seconds = self.resumed.seconds + own
        return Line(
            step=self.progress.step,
            steps=self.steps,
            epoch=self._epochs(self.progress.step),
            loss=loss,
            lr=self.updates.lr,
            seconds=self.progress.seconds,
            rate=(self.progress.step - self.resumed.step) / max(own, 1e-9),
            figures=figures,
        )

    def _figures(self, evaluate: Callable[[], Figures] | None) -> Figures:
        """Those of the weights as they are, where it is time for them."""
        if evaluate is None or not self._is_time_to_evaluate():
            return {}
        self._check_weights()
        figures = self._measure(evaluate)
        self.objective.train_mode()
        return figures

    def _measure(self, evaluate: Callable[[], Figures]) -> Figures:
        """Figures of the weights as they are, which may be chosen from here on."""
        figures = self.team.agree(dict(evaluate()) if self.team.leads else {})
        self.selection.offer(figures, self.progress.step)
        return figures

    def _start_is_to_be_measured(self) -> bool:
        begins = self.progress.step == 0 and not self.selection.figures
        return self.options.start_counts and self.options.select is not None and begins

    def _is_time_to_evaluate(self) -> bool:
        step, every = self.progress.step, self.options.evaluate_every
        if step == self.steps:
            return True
        if self.options.epochs is None:
            return step % every == 0
        return int(self._epochs(step)) // every > int(self._epochs(step - 1)) // every

    def _verdict(self, cancelled: Callable[[], bool]) -> Stopped | None:
        """Why the run stops before its next step, if it does."""
        patience, segment = self.options.patience, self.options.segment_seconds
        stopped: Stopped | None = None
        if self.progress.step >= self.steps:
            stopped = "done"
        elif patience is not None and self.selection.stale >= patience:
            stopped = "early"
        elif cancelled():
            stopped = "cancelled"
        elif segment is not None and self._has_lasted(segment):
            stopped = "segment"
        return self.team.agree(stopped)

    def _has_lasted(self, segment: float) -> bool:
        """Whether so many seconds are over, and a step was made: else a run would never end whose
        first figures take longer."""
        moved = self.progress.step > self.resumed.step
        return moved and clock.monotonic() - self.started >= segment

    def _tell(self, line: Line, report: Callable[[Line], None]) -> None:
        self.curves.add(line)
        report(line)
        if clock.monotonic() - self.saved >= self.options.checkpoint_seconds:
            self._save()

    def _end(self, stopped: Stopped) -> Outcome:
        if self.team.leads and self.kept != self.progress.step:
            self._save()
        if stopped in ("done", "early"):
            self.selection.apply()
        return Outcome(
            stopped=stopped,
            steps=self.progress.step,
            seconds=self.progress.seconds,
            best_step=self.selection.step,
            figures=self.selection.figures,
        )

    def _save(self) -> None:
        self._check_weights()
        self.selection.save()
        self.curves.flush()  # before it, since no line up to its step is told again
        path = self.folder / CHECKPOINT
        checkpoints.save(path, self.progress, facts=self._facts(), **self._parts())
        self.kept, self.saved = self.progress.step, clock.monotonic()
        self.selection.tidy()
        draw_curves(self.folder)

    def _check_weights(self) -> None:
        """A number as loss can have a gradient that is none: such weights are not kept."""
        for name, tensor in self.objective.trained().items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise self._diverged(f"The weights {name} are no numbers after {self._now}")

    @property
    def _now(self) -> str:
        return f"step {self.progress.step:,}"

    def _diverged(self, what: str) -> Diverged:
        if self.team.leads:
            self.selection.save()
        kept = "none was saved yet" if self.kept is None else f"of step {self.kept:,}, is kept"
        return Diverged(
            f"{what} (the last good checkpoint, {kept}): train into another folder with a learning "
            f"rate below {self.options.lr:g}, or with the precision fp32."
        )

    def _loaded(self) -> Generator[list[list[Batch]], None, None]:
        """The batches of every step to come."""
        steps = range(self.progress.step, self.steps)
        if not self.options.loaders:
            yield from map(self.updates.load, steps)
            return
        with ThreadPoolExecutor(self.options.loaders, "loader") as pool:
            yield from ahead(pool, self.updates.load, steps, self.options.loaders + 1)

    def _epochs(self, steps: int) -> float:
        return steps * self.options.accumulate / self.order.per_epoch

    def _steps_in(self, epochs: int) -> int:
        return max(1, epochs * self.order.per_epoch // self.options.accumulate)

    def _facts(self) -> dict[str, Any]:
        return {**self.options.facts(), **self.objective.facts()}

    def _parts(self) -> dict[str, Any]:
        """What a checkpoint must hold, besides the step, for a resumed run to be the same run."""
        return {
            "weights": self.weights,
            "optimiser": self.updates.optimiser,
            "scaler": self.updates.precision.scaler,
            "selection": self.selection,
            "curves": self.curves,
        }
