"""What a child says, written into SQL under the job's token: progress, curves and log."""

from __future__ import annotations

from typing import Literal

from backend import clock
from backend.errors import InvalidInput, Unavailable
from backend.training.curves import add_log, add_points
from backend.training.schemas import PointOut
from workers.run import Run
from workers.training_spec import Ended, Preparing, Refused, Remark, Report, Step

WRITE_SECONDS = 1.0
Stage = Literal["preparing", "training", "evaluating"]


class Listener:
    """Collects reports, and writes them about once a second."""

    def __init__(self, run: Run, stage: Stage, known: set[str]) -> None:
        """stage: what the job does while nothing but preparing is told. known: remarks that are in
        the log already; each segment makes them anew."""
        self._run = run
        self._preparing: Stage = stage
        self._known = known
        self._points: list[PointOut] = []
        self._log: list[str] = []
        self._at: Preparing | Step | None = None
        self._written = clock.monotonic()
        self.ended: Ended | None = None

    def hear(self, report: Report | None) -> None:
        """Take in a report, or a silence.

        Raises:
            AkinError: for a refusal, with its sentence.
            LeaseLost: if the lease is no longer ours.
        """
        match report:
            case Refused():
                self.write()
                raise (Unavailable if report.passing else InvalidInput)(report.sentence)
            case Remark() if report.sentence not in self._known:
                self._known.add(report.sentence)
                self._log.append(report.sentence)
            case Ended():
                self.ended = report
            case Preparing() | Step():
                self._at = report
        if isinstance(report, Step) and report.point:
            self._points.append(_point(report))
        if clock.monotonic() - self._written >= WRITE_SECONDS:
            self.write()

    def write(self, *, moved: bool = False, line: str | None = None) -> None:
        """Write what came in. moved: that a segment has ended; line: one more for the log."""
        self._log += [] if line is None else [line]
        if not (self._at or self._points or self._log or moved):
            return
        with self._run.write() as session:
            add_points(session, self._run.job_id, self._points)
            add_log(session, self._run.job_id, self._log)
            if isinstance(self._at, Step):
                done, total = self._at.step, self._at.steps
                self._run.progress(session, stage="training", done=done, total=total, moved=moved)
            elif self._at is not None:
                stage, checked = self._preparing, (self._at.done, self._at.total)
                self._run.progress(session, stage=stage, checked=checked, moved=moved)
            else:
                self._run.progress(session, moved=moved)
        self._points, self._log, self._at = [], [], None
        self._written = clock.monotonic()


def _point(step: Step) -> PointOut:
    return PointOut.model_validate(step.model_dump(include=set(PointOut.model_fields)))
