"""What the lead of a shared job does: parts like everyone else, and it waits for the others.

The worker with the job's lease leads. It cuts the work into parts and has one message sent. Whoever
gets that finds the lease taken, works on one part (workers/joining.py) and passes the message on if
more are free. So there is about one message a job in the queue: idle workers mostly come at once,
and busy ones do other jobs between two parts.

Mostly: a busy worker of Celery holds one more message, perhaps this one, and the lead perhaps its
own. Then the sweeper calls the others, 15 seconds later. `worker_disable_prefetch` would end that,
but the pool's threads do not wake Celery's loop: measured over Redis with `-c 1`, each worker comes
for its next message up to a second late (21 in a chain took 5.2 s, not 1.1), and it is one a part.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import structlog
from sqlalchemy.orm import Session

from backend.errors import AkinError
from backend.jobs import parts, service
from backend.jobs.lease import MAX_ATTEMPTS, POISON, LeaseLost
from backend.jobs.tables import Job
from workers.process_name import process_name
from workers.run import Run
from workers.sharing import PartBody, claimed, conclude

WAIT_SECONDS = 0.2

log = structlog.get_logger()


def cut(run: Run, session: Session, stretches: Iterable[tuple[int, int]]) -> None:
    """Cut parts in the lead's write transaction, and call the others to them."""
    parts.cut(session, run.job_id, stretches)
    service.wake(session, run.runtime.queue, session.get_one(Job, run.job_id))


def is_cut(run: Run) -> bool:
    """Whether the job has parts: of this lead, or of one before it."""
    with run.read() as session:
        return parts.standing(session, run.job_id).parts > 0


def work_through(run: Run, body: PartBody, between: Callable[[], None] = lambda: None) -> None:
    """Work until no part is left, beside whoever joins in.

    between: what the lead does besides, before each of its parts and while it waits.

    Raises:
        Stopped: if the run is to stop.
        AkinError: if workers came to their end on one and the same part again and again.
    """
    put_off: set[int] = set()
    while True:
        run.checkpoint()
        between()
        if _work_on_one(run, body, put_off):
            continue
        with run.read() as session:
            standing = parts.standing(session, run.job_id)
        if not standing.parts:
            return
        if standing.spent:
            raise AkinError(POISON.format(attempts=MAX_ATTEMPTS))
        put_off.clear()
        time.sleep(WAIT_SECONDS)


def _work_on_one(run: Run, body: PartBody, put_off: set[int]) -> bool:
    """Whether there was a part to be had; one that waits for others is put off."""
    run.check()
    # Not by `run.write`, which would lock the job's row after the part's.
    with run.runtime.database.write() as session:
        part = parts.claim(session, run.job_id, process_name(), leads=True, but=put_off)
    if part is None:
        return False
    try:
        with (
            structlog.contextvars.bound_contextvars(part=part.number),
            claimed(run.runtime, part, lambda: run.stopping, leads=True, rate=run.rate) as share,
        ):
            finished = body(share)
            conclude(share, finished=finished)
        if not finished:
            put_off.add(part.number)
    except LeaseLost:
        run.checkpoint()
        log.warning("part lost, or the job is over", part=part.number)
    return True
