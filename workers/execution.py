"""The base of every task: claim, keep the lease, run the body, say how it ended."""

from __future__ import annotations

import contextvars
import threading
from typing import Literal

import structlog

from backend import clock
from backend.audit.service import REQUEST
from backend.errors import AkinError, Unavailable
from backend.jobs import lease
from backend.jobs.lease import LeaseLost
from backend.jobs.schemas import COMPARE, EVALUATE, TRAIN
from backend.jobs.tables import Job
from backend.metrics import JOB_RETRIES, JOB_SECONDS
from backend.outages import told
from backend.runtime import Runtime
from workers.joining import join_in
from workers.patience import Body, patiently
from workers.process_name import process_name
from workers.renewal import Renewal
from workers.run import Run, Stopped

Outcome = Literal["done", "stopped", "failed", "lapsed", "lost"]

BUG = (
    "Something in Akin went wrong that it does not know: the log of the worker has the details "
    "under this job's id. Retrying the job is safe."
)

log = structlog.get_logger()


def execute(
    runtime: Runtime, kind: str, body: Body, job_id: str, shutdown: threading.Event
) -> None:
    """Do what a message woke us for, if the job's lease is to be had, or one of its parts.

    Any other message is stale or doubled, and changes nothing.
    """
    if shutdown.is_set():
        return
    with runtime.database.write() as session:
        token = lease.claim(session, job_id, process_name())
    if token is None:
        if not join_in(runtime, job_id, kind, shutdown):
            log.debug("stale message", job=job_id, kind=kind)
        return
    # In a context of its own: what a task binds to its log lines ends with it.
    contextvars.copy_context().run(_timed, runtime, kind, body, job_id, token, shutdown)


def _timed(
    runtime: Runtime, kind: str, body: Body, job_id: str, token: int, shutdown: threading.Event
) -> None:
    structlog.contextvars.bind_contextvars(job=job_id, kind=kind)
    begun = clock.monotonic()
    outcome = _under_lease(runtime, body, job_id, token, shutdown)
    JOB_SECONDS.labels(kind, outcome).observe(clock.monotonic() - begun)


def _under_lease(
    runtime: Runtime, body: Body, job_id: str, token: int, shutdown: threading.Event
) -> Outcome:
    with Renewal(runtime.database, job_id, token) as renewal:
        try:
            with runtime.database.read() as session:
                job = lease.check(session, job_id, token)
                run = Run(runtime, job, renewal, shutdown)
                _bind(job)
            return _conclude(run, body)
        except LeaseLost:
            log.warning("lease lost, another worker goes on", job=job_id)
            return "lost"


def _conclude(run: Run, body: Body) -> Outcome:
    """Run the body and write how it ended.

    Where a database does not even take that, the lease runs out and the sweeper tries again.
    """
    try:
        log.info("job started")
        result = patiently(run, body)
        if not run.ended:
            run.finish(result)
        log.info("job done")
    except Stopped:
        log.info("job stopped")
        run.release()
        return "stopped"
    except LeaseLost:
        raise
    except Exception as error:
        failure = error if isinstance(error, AkinError) else told(error)
        if isinstance(failure, Unavailable):
            log.warning("job will be tried again", error=str(error))
            JOB_RETRIES.labels(run.kind).inc()
            run.lapse(failure.sentence)
            return "lapsed"
        if failure is None:
            log.exception("job failed")
        else:
            log.warning("job failed", error=str(error))
        run.fail(failure.sentence if failure else BUG)
        return "failed"
    return "done"


def _bind(job: Job) -> None:
    """What its log lines are known by, besides the job; the version of a gallery is read, and
    bound, by its own task."""
    version = job.subject if job.kind in {TRAIN, EVALUATE, COMPARE} else None
    known = {REQUEST: job.request_id, "subject": job.subject, "version": version}
    structlog.contextvars.bind_contextvars(**{k: v for k, v in known.items() if v is not None})
