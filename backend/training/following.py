"""A model version in training goes where its job goes, in the same transaction.

job queued, running, cancelling   version training
job done                          version ready, by the task, with its artefact
job failed                        version failed, with the job's sentence
job cancelled                     version failed, and says so
job retried                       version training again
"""

from __future__ import annotations

from sqlalchemy.orm import object_session

from backend.errors import Conflict
from backend.jobs.tables import Job
from backend.registry.in_training import fail_training, resume_training
from backend.registry.tables import ModelVersion

CANCELLED = "The training was cancelled: retry its job to go on from its last checkpoint."


def follow(job: Job) -> None:
    """Bring the version of a training job into line with the job's new state.

    Raises:
        Conflict: if the job is to run again and its version is deleted.
    """
    session = object_session(job)
    assert session is not None  # noqa: S101 - every caller has just read it
    assert job.subject is not None  # noqa: S101 - made with its version
    version = session.get(ModelVersion, job.subject, with_for_update=True, populate_existing=True)
    if version is None:
        if job.state == "queued":
            raise Conflict(
                "The model version that this job trained is deleted: start a new training."
            )
        return
    if version.state == "training" and job.state == "failed":
        fail_training(session, version.id, job.error or "It failed.")
    elif version.state == "training" and job.state == "cancelled":
        fail_training(session, version.id, CANCELLED)
    elif version.state == "failed" and job.state == "queued":
        resume_training(session, version.id)
