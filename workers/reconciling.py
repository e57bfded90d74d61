"""The reconcile job: SQL, blobs and galleries are compared, and brought back into line."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert

from backend.jobs.schemas import GALLERIES, ReconcileRequest
from backend.jobs.tables import JobItem
from workers.app import task
from workers.reconciliation.ledger import Ledger
from workers.reconciliation.reconcile import reconcile
from workers.run import Run


@task("reconcile")
def reconcile_all(run: Run) -> dict[str, Any]:
    """Do what the request says; the result counts what was compared and what was found,
    altogether and in each gallery.

    A job that is resumed starts anew: what it mended stays mended.

    Raises:
        Unavailable: if a store does not answer, or the blob store holds nothing at all.
    """
    request = ReconcileRequest.model_validate(run.parameters)
    ledger = reconcile(run.runtime, _UnderLease(run), mend=request.mend, deep=request.deep)
    _report(run, ledger)
    return {**ledger.result(), GALLERIES: ledger.by_gallery()}


class _UnderLease:
    """Work of a job: every write is under its token, and it stops where it is asked to."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.read = run.read
        self.write = run.write

    def step(self, stage: str, done: int, total: int) -> None:
        self._run.checkpoint()
        with self._run.write() as session:
            self._run.progress(session, stage=stage, done=done, total=total)


def _report(run: Run, ledger: Ledger) -> None:
    lines: list[dict[str, Any]] = [
        {
            "job_id": run.job_id,
            "position": position,
            "name": line.name,
            "payload": {},
            "state": "failed" if line.outcome == "lost" else "done",
            "outcome": line.outcome,
            "reason": line.sentence,
            "sku": line.name if line.outcome == "lost" else None,
        }
        for position, line in enumerate(ledger.lines())
    ]
    with run.write() as session:
        session.execute(delete(JobItem).where(JobItem.job_id == run.job_id))
        if lines:
            session.execute(insert(JobItem), lines)
        run.progress(session, failed=ledger.lost)
