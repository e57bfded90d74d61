"""Failures that pass by themselves: a database, broker or Qdrant server that is being restarted.

A body is begun again under the lease it has, a few times and after waits that grow, so that a
restart of a service costs a job seconds. What lasts longer is left to the sweeper: the lease runs
out and the job is tried again, at most `MAX_ATTEMPTS` times without any progress.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import psycopg
import structlog
from kombu.exceptions import OperationalError
from sqlalchemy import exc

from backend import clock
from backend.errors import AkinError, NoSpace, Unavailable
from backend.metrics import JOB_RETRIES
from workers.run import Run

Body = Callable[[Run], dict[str, Any]]

RETRIES = 4
FIRST_SECONDS, LONGEST_SECONDS = 1.0, 8.0

log = structlog.get_logger()


class Patient(Protocol):
    """What a body is run under."""

    kind: str

    @property
    def ended(self) -> bool: ...

    def checkpoint(self) -> None: ...


Held = TypeVar("Held", bound=Patient)
Result = TypeVar("Result")


def patiently(run: Held, body: Callable[[Held], Result]) -> Result:
    """The body's result; it is run again where its failure may pass.

    Raises what the body raises, in the end; `Stopped` where the run is to stop meanwhile.
    """
    for number in range(RETRIES):
        try:
            return body(run)
        except Exception as error:
            if run.ended or not may_pass(error):
                raise
            seconds = pause(number)
            log.warning("trying again", error=str(error), seconds=round(seconds, 2))
            JOB_RETRIES.labels(run.kind).inc()
            _wait(run, seconds)
    return body(run)


def may_pass(error: Exception) -> bool:
    """Whether it is the outage of a service, which is likely to be back soon. A disk is not, and a
    statement that took too long would do so again."""
    if isinstance(error, AkinError):
        return isinstance(error, Unavailable) and not isinstance(error, NoSpace)
    if isinstance(error, exc.DBAPIError):
        is_cut_off = isinstance(error.orig, psycopg.errors.QueryCanceled)
        return isinstance(error.orig, psycopg.OperationalError) and not is_cut_off
    return isinstance(error, ConnectionError | TimeoutError | exc.TimeoutError | OperationalError)


def pause(number: int) -> float:
    """Seconds before the next try: doubled each time, and anything between half and all of that,
    so that many workers do not come back at one moment."""
    most = min(FIRST_SECONDS * 2**number, LONGEST_SECONDS)
    return random.uniform(most / 2, most)


def _wait(run: Patient, seconds: float) -> None:
    until = clock.monotonic() + seconds
    while (left := until - clock.monotonic()) > 0:
        run.checkpoint()
        time.sleep(min(left, 0.1))
