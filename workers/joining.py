"""What a message leads to whose job another worker leads: work on one part of it."""

from __future__ import annotations

import contextvars
import threading
from typing import Literal

import structlog

from backend import clock
from backend.audit.service import REQUEST
from backend.errors import AkinError
from backend.jobs import parts, service
from backend.jobs.lease import LeaseLost
from backend.jobs.parts import Part
from backend.jobs.tables import Job
from backend.metrics import JOB_SECONDS
from backend.runtime import Runtime
from workers.patience import patiently
from workers.process_name import process_name
from workers.run import Stopped
from workers.sharing import PartBody, Share, claimed, conclude, is_shared, part_body

Outcome = Literal["part", "part-stopped", "part-failed", "part-lost"]

log = structlog.get_logger()


def join_in(runtime: Runtime, job_id: str, kind: str, shutdown: threading.Event) -> bool:
    """Work on one part of the job, and pass the message on if more are free; whether there was one.

    Only one, and not the next: so other jobs get their turn between two parts.
    """
    body = part_body(kind)
    if body is None or not is_shared(runtime):
        return False
    with runtime.database.write() as session:
        part = parts.claim(session, job_id, process_name())
        if part is None:
            return False
        if parts.standing(session, job_id).free:
            service.wake(session, runtime.queue, session.get_one(Job, job_id))
    # In a context of its own: what a task binds to its log lines ends with it.
    contextvars.copy_context().run(_timed, runtime, kind, part, body, shutdown)
    return True


def _timed(
    runtime: Runtime, kind: str, part: Part, body: PartBody, shutdown: threading.Event
) -> None:
    structlog.contextvars.bind_contextvars(job=part.job_id, kind=kind, part=part.number)
    begun = clock.monotonic()
    outcome = _outcome(runtime, part, body, shutdown)
    JOB_SECONDS.labels(kind, outcome).observe(clock.monotonic() - begun)


def _outcome(runtime: Runtime, part: Part, body: PartBody, shutdown: threading.Event) -> Outcome:
    """Whatever fails here, the lead meets it too when it takes the part, and can tell it."""
    try:
        with claimed(runtime, part, shutdown.is_set) as share:
            _bind(share)
            log.info("part started")
            conclude(share, finished=patiently(share, body))
            log.info("part done")
    except Stopped:
        log.info("part stopped")
        return "part-stopped"
    except LeaseLost:
        log.warning("part lost, or its job is over")
        return "part-lost"
    except AkinError as error:
        log.warning("part left to the lead", error=str(error))
        return "part-failed"
    except Exception:
        log.exception("part left to the lead")
        return "part-failed"
    return "part"


def _bind(share: Share) -> None:
    known = {REQUEST: share.request_id, "subject": share.subject}
    structlog.contextvars.bind_contextvars(**{k: v for k, v in known.items() if v is not None})
