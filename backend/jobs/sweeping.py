"""The sweeper's round: what mends lost messages and workers that are gone."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from kombu.exceptions import OperationalError
from sqlalchemy import select

from backend.database import Database
from backend.jobs.broker import Queue
from backend.jobs.lease import expire_overdue
from backend.jobs.parts import jobs_to_share
from backend.jobs.tables import Job

SWEEP_SECONDS = 15.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Swept:
    """What one round did: leases taken back, messages sent again."""

    reclaimed: int
    sent: int


def sweep(database: Database, queue: Queue) -> Swept:
    """Take back the leases that ran out and send again the messages of queued jobs, and of running
    ones that others can share.

    Messages are sent only into a queue that is empty: while some wait in it the workers are
    busy, nothing is lost, and a long backlog does not fill the broker with copies.
    """
    with database.write() as session:
        reclaimed = expire_overdue(session)
    try:
        sent = _send_again(database, queue)
    except OperationalError as error:
        log.warning("the broker does not answer, next round again", error=str(error))
        sent = 0
    if reclaimed or sent:
        log.info("swept", reclaimed=reclaimed, sent=sent)
    return Swept(reclaimed, sent)


def _send_again(database: Database, queue: Queue) -> int:
    with database.read() as session:
        query = select(Job.kind, Job.id).where(Job.state == "queued").order_by(Job.queued_at)
        queued = [(kind, job_id) for kind, job_id in session.execute(query)]
        queued += jobs_to_share(session)
    kinds = {kind for kind, _ in queued}
    idle = {kind for kind in kinds if queue.waiting(kind) == 0}
    lost = [(kind, job_id) for kind, job_id in queued if kind in idle]
    for kind, job_id in lost:
        queue.send(kind, job_id)
    return len(lost)
