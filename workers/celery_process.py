"""What stands behind the processes that the `celery` command starts: their app, their log, their
sentence when they cannot start, and their sign of life."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery
from celery.signals import setup_logging, worker_ready, worker_shutting_down
from celery.utils.dispatch import Signal
from kombu.exceptions import OperationalError
from prometheus_client import start_http_server

from backend.errors import AkinError, SetupError
from backend.jobs.broker import Queue
from backend.migrating import check
from backend.runtime import open_runtime
from backend.settings import Settings, read_settings
from backend.telemetry import configure_logs
from workers.app import bodies, register_tasks
from workers.liveness import touch
from workers.maintenance import ask_for_rounds, take_rounds

log = structlog.get_logger()


def started(make: Callable[[Settings], Celery], sign_of_life: Signal) -> Celery:
    """The app that `make` makes, with Akin's log from its first line on; each `sign_of_life` is
    noted in a file (`workers.liveness`).

    A failure that Akin can tell ends the process with its sentence.
    """
    configure_logs(json=not sys.stderr.isatty())
    setup_logging.connect(_leave_the_log, weak=False)
    try:
        settings = read_settings()
        app = make(settings)
    except AkinError as error:
        raise SystemExit(error.sentence) from error

    def living(**_: Any) -> None:
        touch(settings.home)

    sign_of_life.connect(living, weak=False)
    return app


def worker_app(settings: Settings) -> Celery:
    """The Celery app with every task, over a runtime that stays open with the process.

    Raises:
        SetupError: for settings that cannot work, tables of another version, or a metrics port in
            use.
        Unavailable: if the Qdrant server does not answer.
    """
    _need_a_broker(settings)
    runtime = open_runtime(settings)
    check(runtime.database)
    warn_of_eviction(runtime.queue)
    show_metrics(settings)
    shutdown = threading.Event()
    worker_shutting_down.connect(lambda **_: shutdown.set(), weak=False)
    worker_ready.connect(_greet, weak=False)
    app = runtime.queue.app
    register_tasks(app, runtime, bodies(), shutdown)
    take_rounds(app, runtime)
    return app


def beat_app(settings: Settings) -> Celery:
    """The Celery app that only asks for rounds: it needs the broker and nothing else.

    Raises:
        SetupError: if there is no broker to ask over.
    """
    _need_a_broker(settings)
    app = Queue(settings.broker_url).app
    ask_for_rounds(app)
    return app


def show_metrics(settings: Settings) -> None:
    """What this process counts and times, for Prometheus, if a port is set for it.

    Raises:
        SetupError: if something else has the port.
    """
    if settings.metrics_port is None:
        return
    host, port = settings.metrics_host, settings.metrics_port
    try:
        start_http_server(port, host)
    except OSError as error:
        raise SetupError(
            f"The metrics cannot be shown at port {port} on {host} "
            f"({(error.strerror or str(error)).lower()}): set AKIN_METRICS_PORT to a free one."
        ) from error


def warn_of_eviction(queue: Queue) -> None:
    """Say it if Redis may throw messages away: the sweeper sends them again, but only later."""
    try:
        policy = queue.eviction_policy()
    except OperationalError:  # Celery says that the broker is away, and waits for it
        return
    if policy not in (None, "noeviction"):
        log.warning(
            f"Redis throws keys away when its memory is full ({policy}), and with them messages: "
            "set its maxmemory-policy to noeviction."
        )


def _need_a_broker(settings: Settings) -> None:
    if settings.embedded:
        raise SetupError(
            "Workers of their own need a broker that other processes reach: set AKIN_BROKER_URL "
            "to a Redis server, or start `akin up` alone, which brings its worker along."
        )


def _greet(sender: Any, **_: Any) -> None:
    log.info("worker ready", queues=sorted(queue.name for queue in sender.task_consumer.queues))


def _leave_the_log(**_: Any) -> None:
    """Celery leaves logging alone as soon as anybody listens to its signal."""
