"""Rounds that keep the installation healthy: the sweeper."""

from __future__ import annotations

import threading

import structlog
from celery import Celery
from sqlalchemy.exc import SQLAlchemyError

from backend.jobs.sweeping import SWEEP_SECONDS, sweep
from backend.runtime import Runtime

SWEEP = "akin.sweep"

log = structlog.get_logger()


def schedule(app: Celery, runtime: Runtime) -> None:
    """Let `celery beat` ask for a round every 15 s, and the worker of the queue `beat` do it."""

    def round_() -> None:
        sweep(runtime.database, runtime.queue)

    app.task(round_, name=SWEEP, shared=False)
    app.conf.beat_schedule = {
        "sweep": {
            "task": SWEEP,
            "schedule": SWEEP_SECONDS,
            "options": {"expires": SWEEP_SECONDS},
        }
    }


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
            sweep(self._runtime.database, self._runtime.queue)
        except SQLAlchemyError as error:
            log.warning("not swept, next round again", error=str(error))
