"""Files of trainings and measurements that nobody goes on with."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import or_, select

from backend import clock
from backend.catalogue.tables import Blob
from backend.jobs.schemas import COMPARE, EVALUATE, TRAIN
from backend.jobs.tables import Job
from backend.runtime import Runtime
from workers.trainer.features import FeatureCache
from workers.training_files import FEATURES, RunFolder

KEPT_DAYS = 7
"""So long the files of a training that failed or was cancelled wait to be gone on with."""
_AT_ONCE = 500
_KINDS = (TRAIN, EVALUATE, COMPARE)


def clear_away(runtime: Runtime) -> None:
    """Remove the files of jobs that are done, and of those that were given up a week ago.

    Folders of jobs that this database does not know stay.
    """
    home = runtime.settings.training_folder
    names = [one.name for one in home.iterdir()] if home.is_dir() else []
    given_up = clock.now() - timedelta(days=KEPT_DAYS)
    over = or_(Job.state == "done", Job.finished_at < given_up)
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        with runtime.database.read() as session:
            finished = select(Job.id).where(Job.kind.in_(_KINDS), Job.id.in_(some), over)
            found = session.scalars(finished).all()
        for job_id in found:
            remove(runtime, RunFolder(home, job_id))


def remove(runtime: Runtime, folder: RunFolder) -> None:
    """Remove a job's files, and the features of those of its pictures that were deleted since it
    took them: it may have had them worked out after they were forgotten."""
    images = folder.catalogue / "images"
    names = sorted({path.stem for path in images.iterdir()}) if images.is_dir() else []
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        with runtime.database.read() as session:
            there = set(session.scalars(select(Blob.sha256).where(Blob.sha256.in_(some))))
        forget_features(runtime, set(some) - there)
    folder.remove()


def forget_features(runtime: Runtime, sha256s: Collection[str]) -> None:
    """Features of these pictures go, where this process sees the folder of trainings."""
    root = runtime.settings.training_folder / FEATURES
    if sha256s and root.is_dir():
        FeatureCache(root).forget([bytes.fromhex(sha256) for sha256 in sorted(sha256s)])
