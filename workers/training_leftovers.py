"""Files of trainings and measurements that nobody goes on with."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import or_, select

from backend import clock
from backend.jobs.schemas import COMPARE, EVALUATE, TRAIN
from backend.jobs.tables import Job
from backend.runtime import Runtime
from workers.training_files import RunFolder

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
            RunFolder(home, job_id).remove()
