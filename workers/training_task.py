"""What tasks have in common that let a child process train or measure."""

from __future__ import annotations

from contextlib import closing
from functools import cached_property
from typing import Any

import structlog

from backend.composition.card import BackboneCard
from backend.registry.loading import Described
from backend.training.curves import LOG_LINES, log_lines
from workers.run import Run
from workers.training_listening import Listener, Stage
from workers.training_process import Child
from workers.training_spec import ModelSpec, Work

log = structlog.get_logger()


class ChildTask:
    """One run of a job whose works a child does, in files below the training folder."""

    def __init__(self, run: Run, child: Child) -> None:
        self._run, self._child = run, child
        self._runtime, self._settings = run.runtime, run.runtime.settings
        self._asked = run.parameters

    def _do(self, work: Work, stage: Stage) -> None:
        """Let the child do a work, and hear it out.

        Raises:
            Stopped: if the run is to stop, once the child has.
        """
        self._run.checkpoint()
        listener = Listener(self._run, stage, self._remarks)
        with closing(self._child.do(work, lambda: self._run.stopping)) as reports:
            for report in reports:
                listener.hear(report)
        ended = listener.ended
        at = "" if ended is None or not ended.steps else f" at step {ended.steps:,}"
        line = None if ended is None or stage == "evaluating" else _ENDS[ended.stopped].format(at)
        listener.write(moved=ended is not None and ended.stopped != "cancelled", line=line)
        self._run.checkpoint()

    def _said(self, what: str, done: int, total: int) -> None:
        """Tell how far a thing is that this process itself does, and stop there if asked to."""
        self._run.checkpoint()
        log.debug(what, done=done, total=total)
        with self._run.write() as session:
            self._run.progress(session, checked=(done, total))

    def _spec(self, version: Described, name: str) -> ModelSpec:
        artefact = version.artefact
        return ModelSpec(
            name=name,
            backbone=BackboneCard.model_validate(version.backbone),
            composer=version.composer,
            folder=None if artefact is None else self._runtime.artefacts.folder(artefact),
        )

    @property
    def _child_options(self) -> dict[str, Any]:
        """On what the child works."""
        device = str(self._asked.get("device") or self._settings.device)
        return {"device": device, "threads": self._settings.train_threads}

    @cached_property
    def _remarks(self) -> set[str]:
        with self._run.read() as session:
            lines = log_lines(session, self._run.job_id, after=0, limit=LOG_LINES).lines
        return {one.text for one in lines}


_ENDS = {
    "done": "Trained to its end{}.",
    "early": "Stopped early{}: the figures got no better.",
    "segment": "A segment ended{}.",
    "cancelled": "Stopped{}, as was asked for.",
}
