"""A worker in a process of its own that works on one job, and is killed at a named point of it.

    python -m tests.workers.training.worker PLACE JOB [POINT]

A point is a function of the task's and whether the kill comes before or after it, or in which of
its calls; the signal is SIGKILL, so nothing is put in order on the way out.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backend.jobs.lease import reclaim_all
from tests.workers.training.installations import opened, triplets_of, work_on
from workers import training, training_data, training_features, training_listening
from workers.run import Run
from workers.trainer.features import FeatureCache
from workers.training_files import RunFolder
from workers.training_spec import Step

Point = tuple[Any, str, str, int]
"""Of what, which function, before or after, and at which call."""

POINTS: dict[str, Point] = {
    "before the snapshot": (training, "take_snapshot", "before", 1),
    "in the midst of the snapshot": (training_data._Writing, "_placed", "before", 30),
    "when the snapshot is there": (training, "export_features", "before", 1),
    "in the midst of the features": (FeatureCache, "keep", "before", 2),
    "in the middle of a segment": (training_listening.Listener, "hear", "step", 5),
    "between two segments": (training._Training, "_do", "after", 1),
    "after the run's end, before its figures": (training._Training, "_measure", "before", 1),
    "while the figures are measured": (training_listening.Listener, "hear", "preparing", 1),
    "when the figures are measured, before they are kept": (training, "write_whole", "figures", 1),
    "before the artefact is kept": (Run, "check", "before", 1),
    "when the artefact is kept, before the row is ready": (training, "read_card", "before", 1),
    "in the transaction that makes the row ready": (training, "finish_training", "after", 1),
    "when the row is ready, before the files are gone": (RunFolder, "remove", "before", 1),
}


def main() -> None:
    place, job_id, *point = sys.argv[1:]
    home = Path(place)
    training_features.PAGE = 20
    setattr(training_data, "accepted_triplets", lambda session, sources: triplets_of(home))  # noqa: B010 - it is imported there
    segment = 600.0
    if point:
        segment = 0.001 if point[0] == "between two segments" else segment
        arm(*POINTS[point[0]])
    with opened(home, train_segment_seconds=segment) as runtime:
        with runtime.database.write() as session:
            reclaim_all(session)
        work_on(runtime, job_id, threading.Event())


def arm(owner: Any, name: str, when: str, count: int) -> None:
    """Let this process be killed there."""
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def dying(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        if when == "after":
            original(*args, **kwargs)
        calls += _is_it(when, args)
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(owner, name, dying)


def _is_it(when: str, args: tuple[Any, ...]) -> bool:
    if when == "step":
        return isinstance(args[1], Step)
    if when == "preparing":
        return bool(args[0]._preparing == "evaluating")
    if when == "figures":
        return bool(args[0].name == "figures.json")
    return True


if __name__ == "__main__":
    main()
