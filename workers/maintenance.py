"""Rounds that keep the installation healthy: the sweeper, and the reconciliation of the night."""

from __future__ import annotations

import threading

import structlog
from celery import Celery
from sqlalchemy.exc import SQLAlchemyError

from backend.errors import AkinError
from backend.jobs.reconciling import ensure_reconcile, is_due
from backend.jobs.schemas import ReconcileRequest
from backend.jobs.sweeping import SWEEP_SECONDS, sweep
from backend.runtime import Runtime
from workers.promoting import let_go, settle

SWEEP = "akin.sweep"

log = structlog.get_logger()


def take_rounds(app: Celery, runtime: Runtime) -> None:
    """Let the worker of the queue `beat` do a round whenever it is asked for."""

    def round_() -> None:
        look_after(runtime)

    app.task(round_, name=SWEEP, shared=False)


def ask_for_rounds(app: Celery) -> None:
    """Let `celery beat` ask for a round every 15 s; one not taken by then is dropped."""
    app.conf.beat_schedule = {
        "sweep": {
            "task": SWEEP,
            "schedule": SWEEP_SECONDS,
            "options": {"expires": SWEEP_SECONDS},
        }
    }


def look_after(runtime: Runtime) -> None:
    """One round: mend what messages and workers were lost, and ask for what the night is to do."""
    sweep(runtime.database, runtime.queue)
    settle(runtime)
    let_go(runtime)
    hour = runtime.settings.reconcile_hour
    if hour == "off":
        return
    with runtime.database.read() as session:
        due = is_due(session, hour)
    if due:
        with runtime.database.write() as session:
            job = ensure_reconcile(session, runtime.queue, ReconcileRequest(), "akin")
            log.info("time for the day's reconciliation", job=job.id)


class Sweeper:
    """Sweeps from a thread of the process: at once, then every 15 s until it is stopped."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin with the first round."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round that is under way."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        self._round()
        while not self._stopped.wait(SWEEP_SECONDS):
            self._round()

    def _round(self) -> None:
        try:
            look_after(self._runtime)
        except (SQLAlchemyError, AkinError) as error:
            log.warning("not swept, next round again", error=str(error))
