"""What the audit log says of imports and reconciliations: who began them, and what they did."""

from __future__ import annotations

import threading
from typing import Any

from backend.audit.schemas import AuditFilter, AuditLineOut
from backend.audit.service import all_lines
from backend.catalogue import service as catalogue
from backend.jobs import lease, service
from backend.jobs.reconciling import ensure_reconcile
from backend.jobs.schemas import ReconcileRequest
from backend.runtime import Runtime
from tests.conftest import MovableClock
from tests.workers import workshop
from workers.execution import execute
from workers.reconciling import reconcile_all
from workers.run import Run


def lines(runtime: Runtime, action: str = "") -> list[AuditLineOut]:
    return list(all_lines(runtime.database, AuditFilter(action=action or None)))


def test_an_import_is_told_by_what_it_did_and_not_product_by_product(runtime: Runtime) -> None:
    files = workshop.photos(3) | {"list.csv": b"sku,image\nA,nowhere.png\n"}
    job = workshop.import_files(runtime, files)
    ended, started = lines(runtime)
    assert (started.action, started.subject_id, started.after["files"]) == (
        "import.start",
        job.id,
        4,
    )
    assert (ended.action, ended.actor, ended.label) == ("import.end", "ann", "ingest")
    assert ended.subject_id == job.id
    assert ended.after == {"state": "done", "created": 3, "refused": 1}


def test_an_import_that_is_cancelled_half_way_says_how_far_it_was(runtime: Runtime) -> None:
    job_id = workshop.open_import(runtime, workshop.photos(5))

    def cancelled_then_done(run: Run) -> dict[str, Any]:
        with runtime.database.write() as session:
            service.cancel(session, job_id, "ben")
        run.checkpoint()
        with run.write() as session:
            run.progress(session, done=2)
        run.checkpoint()
        raise AssertionError("it was to stop")

    execute(runtime, "ingest", cancelled_then_done, job_id, threading.Event())
    ended, cancelled, _ = lines(runtime)
    assert (cancelled.action, cancelled.actor) == ("job.cancel", "ben")
    assert (cancelled.before, cancelled.after) == ({"state": "running"}, {"state": "cancelling"})
    assert (ended.action, ended.actor) == ("import.end", "ann")
    assert ended.after == {"state": "cancelled", "done": 2, "failed": 0}


def test_one_that_fails_says_why(runtime: Runtime) -> None:
    job_id = workshop.open_import(runtime, workshop.photos(1))

    def break_down(_: Run) -> dict[str, Any]:
        raise ZeroDivisionError

    execute(runtime, "ingest", break_down, job_id, threading.Event())
    (ended,) = lines(runtime, "import.end")
    assert ended.after["state"] == "failed"
    assert ended.after["error"].startswith("Something in Akin went wrong")


def test_one_whose_worker_died_too_often_says_so(runtime: Runtime, clock: MovableClock) -> None:
    job_id = workshop.open_import(runtime, workshop.photos(1))
    for _ in range(lease.MAX_ATTEMPTS):
        assert lines(runtime, "import.end") == []
        with runtime.database.write() as session:
            lease.claim(session, job_id, "worker")
        clock.advance(lease.LEASE_SECONDS + 1)
        with runtime.database.write() as session:
            lease.expire_overdue(session)
    (ended,) = lines(runtime, "import.end")
    assert (ended.after["state"], ended.after["done"]) == ("failed", 0)


def test_a_reconciliation_says_what_it_found(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        job_id = ensure_reconcile(session, runtime.queue, ReconcileRequest(), "ann").id
        assert ensure_reconcile(session, runtime.queue, ReconcileRequest(), "ben").id == job_id
    execute(runtime, "reconcile", reconcile_all, job_id, threading.Event())
    ended, started = lines(runtime)
    assert (started.action, started.actor) == ("reconcile.start", "ann")
    assert started.after == {"mend": True, "deep": False}
    assert (ended.action, ended.after) == (
        "reconcile.end",
        {"state": "done", "done": 0, "failed": 0},
    )


def test_embedding_changes_nothing_that_people_keep_and_leaves_no_line(
    runtime: Runtime, gallery: object
) -> None:
    workshop.import_files(runtime, workshop.photos(2))
    with runtime.database.write() as session:
        (product, _) = workshop.products(runtime).values()
        catalogue.delete_products(session, runtime.queue, [product.id], "ann")
    before = lines(runtime)
    (job,) = workshop.run_embeds(runtime)
    assert job.state == "done"
    assert lines(runtime) == before
