"""The base of every task: claim, keep the lease, run the body, say how it ended."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from typing import Any

import structlog

from backend.errors import AkinError, Unavailable
from backend.jobs import lease
from backend.jobs.lease import LeaseLost
from backend.outages import told
from backend.runtime import Runtime
from workers.renewal import Renewal
from workers.run import Run, Stopped

Body = Callable[[Run], dict[str, Any]]

BUG = (
    "Something in Akin went wrong that it does not know: the log of the worker has the details "
    "under this job's id. Retrying the job is safe."
)

log = structlog.get_logger()


def execute(
    runtime: Runtime, kind: str, body: Body, job_id: str, shutdown: threading.Event
) -> None:
    """Do what a message woke us for, if the job's lease is to be had; else nothing.

    A message for a job that is finished, taken or unknown is stale or doubled: it changes nothing.
    """
    if shutdown.is_set():
        return
    with runtime.database.write() as session:
        token = lease.claim(session, job_id, _holder())
    if token is None:
        log.debug("stale message", job=job_id, kind=kind)
        return
    with structlog.contextvars.bound_contextvars(job=job_id, kind=kind):
        _under_lease(runtime, body, job_id, token, shutdown)


def _under_lease(
    runtime: Runtime, body: Body, job_id: str, token: int, shutdown: threading.Event
) -> None:
    with Renewal(runtime.database, job_id, token) as renewal:
        try:
            with runtime.database.read() as session:
                job = lease.check(session, job_id, token)
                run = Run(runtime, job, renewal, shutdown)
            _conclude(run, body)
        except LeaseLost:
            log.warning("lease lost, another worker goes on", job=job_id)


def _conclude(run: Run, body: Body) -> None:
    """Run the body and write how it ended.

    Where a database does not even take that, the lease runs out and the sweeper tries again.
    """
    try:
        log.info("job started")
        result = body(run)
        if not run.ended:
            run.finish(result)
        log.info("job done")
    except Stopped:
        log.info("job stopped")
        run.release()
    except LeaseLost:
        raise
    except Exception as error:
        failure = error if isinstance(error, AkinError) else told(error)
        if failure is None:
            log.exception("job failed")
            run.fail(BUG)
        elif isinstance(failure, Unavailable):
            log.warning("job will be tried again", error=str(error))
            run.lapse(failure.sentence)
        else:
            log.warning("job failed", error=str(error))
            run.fail(failure.sentence)


def _holder() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
