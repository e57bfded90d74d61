"""kill -9 of the worker's process at every point of a training: the next one goes on, and the
finished weights are those of a run that was never disturbed.

One job is killed at these points, one after the other, each time by a new process that got so far:

- before the snapshot of the catalogue is taken
- in the midst of the snapshot: some products written, some pictures linked
- when the snapshot is there, before any feature is taken
- in the midst of the features: some of the gallery's are in the cache
- in the middle of a segment: steps done since the last checkpoint are done again
- between two segments: the child has ended, the task has not said so yet
- after the run's end, before its figures are measured
- while the figures are measured
- when the figures are measured, before they are kept
- before the artefact is kept
- when the artefact is kept, before the row is ready
- in the transaction that makes the row ready: it does not commit
- when the row is ready, before the files are gone: the next training clears them away
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from sqlalchemy import func, select

from backend.registry.tables import ModelVersion
from backend.training.curves import curves
from tests.workers.training.installations import (
    ask,
    copied,
    job_of,
    opened,
    version_of,
    weights,
    work_on,
)
from tests.workers.training.worker import POINTS
from workers.training_leftovers import clear_away

ROOT = Path(__file__).parents[3]
MARK = "WORKS_IN"
"""A variable that a worker hands down to its child."""
LAST = "when the row is ready, before the files are gone"


@pytest.fixture
def undisturbed(template: Path, accepted: object, tmp_path: Path) -> bytes:
    """The weights of a run that nothing happens to."""
    with opened(copied(template, tmp_path / "undisturbed")) as runtime:
        job_id = ask(runtime)
        assert work_on(runtime, job_id).state == "done"
        return weights(runtime, version_of(runtime, job_id))


def work(home: Path, job_id: str, point: str | None = None) -> int:
    """Let a process work on the job; how it ended."""
    words = [sys.executable, "-m", "tests.workers.training.worker", str(home), job_id]
    words += [point] if point else []
    marked = {**os.environ, MARK: str(home)}
    return subprocess.run(words, cwd=ROOT, env=marked, check=False).returncode


def no_child_is_left(home: Path) -> None:
    """They die with their parent, within a moment."""
    children = [
        one
        for one in psutil.process_iter(["environ"])
        if (one.info["environ"] or {}).get(MARK) == str(home)
    ]
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


def asked(home: Path) -> str:
    with opened(home) as runtime:
        return ask(runtime)


@pytest.mark.slow
def test_killed_in_the_middle_of_a_segment_it_goes_on(home, undisturbed):
    job_id = asked(home)
    assert work(home, job_id, "in the middle of a segment") == -signal.SIGKILL
    no_child_is_left(home)
    with opened(home) as runtime:
        assert version_of(runtime, job_id).state == "training"
    assert work(home, job_id) == 0
    with opened(home) as runtime:
        assert job_of(runtime, job_id).state == "done"
        assert weights(runtime, version_of(runtime, job_id)) == undisturbed
        with runtime.database.read() as session:
            points = curves(session, job_id, after=0, limit=100).points
        assert [one.step for one in points] == list(range(1, 13))


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_killed_at_every_point_it_ends_as_if_nothing_had_happened(home, undisturbed):
    job_id = asked(home)
    for point in POINTS:
        assert work(home, job_id, point) == -signal.SIGKILL, point
        no_child_is_left(home)
        with opened(home) as runtime:
            job, version = job_of(runtime, job_id), version_of(runtime, job_id)
            expected = ("done", "ready") if point == LAST else ("running", "training")
            assert (job.state, version.state) == expected, point
            assert job.error is None
    with opened(home) as runtime:
        assert weights(runtime, version_of(runtime, job_id)) == undisturbed
        with runtime.database.read() as session:
            trained = select(func.count()).where(ModelVersion.recipe == "combiner")
            assert session.scalar(trained) == 1
        assert (runtime.settings.training_folder / job_id).is_dir()
        clear_away(runtime)
        assert not (runtime.settings.training_folder / job_id).exists()
