"""Tasks and the worker inside the API process. A worker of its own process is server.py."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from celery import Celery
from celery.concurrency.thread import TaskPool
from celery.worker import WorkController

from backend import clock
from backend.errors import SetupError
from backend.jobs.broker import Queue, task_name
from backend.runtime import Runtime
from workers.execution import execute
from workers.maintenance import Sweeper
from workers.patience import Body

LANES = {"io": 2, "embed": 1, "reembed": 1, "train": 1}
"""Threads for each queue. A lane is a worker of its own, so that imports never block embedding."""

_MODULES = (
    "workers.ingesting",
    "workers.embedding",
    "workers.reconciling",
    "workers.scoring",
    "workers.training",
    "workers.measuring",
)
_BODIES: dict[str, Body] = {}


def task(kind: str) -> Callable[[Body], Body]:
    """Make a function the body of all jobs of one kind. It gets a Run and returns the result."""

    def register(body: Body) -> Body:
        _BODIES[kind] = body
        return body

    return register


def bodies() -> Mapping[str, Body]:
    """The body of every kind of job."""
    for module in _MODULES:
        importlib.import_module(module)
    return _BODIES


def register_tasks(
    app: Celery, runtime: Runtime, tasks: Mapping[str, Body], shutdown: threading.Event
) -> None:
    """Make every body a Celery task of `app`, named after its kind."""
    for kind, body in tasks.items():

        def wake_up(job_id: str, kind: str = kind, body: Body = body) -> None:
            execute(runtime, kind, body, job_id, shutdown)

        app.task(wake_up, name=task_name(kind), shared=False)


def start_in_process(runtime: Runtime, tasks: Mapping[str, Body] | None = None) -> InProcessWorker:
    """Start the embedded profile's worker; `tasks` are the bodies by kind, by default Akin's.

    Raises:
        SetupError: if it does not become ready within 30 seconds.
    """
    worker = InProcessWorker(runtime, tasks if tasks is not None else bodies())
    worker.start()
    return worker


class InProcessWorker:
    """Celery workers on `memory://` in threads of this process, and the sweeper."""

    def __init__(self, runtime: Runtime, tasks: Mapping[str, Body]) -> None:
        self._shutdown = threading.Event()
        self._lanes = [
            _Lane(name, threads, runtime, tasks, self._shutdown) for name, threads in LANES.items()
        ]
        self._sweeper = Sweeper(runtime)

    def start(self) -> None:
        """Take messages, and sweep once for those the last process left behind."""
        for lane in self._lanes:
            lane.start()
        self._sweeper.start()

    def stop(self, timeout: float = 30.0) -> bool:
        """Let every task stop at its next batch and give its job back; whether all did in time.

        A task that does not stop in time keeps its lease until it runs out or is reclaimed.
        """
        self._shutdown.set()
        self._sweeper.stop()
        stops = [threading.Thread(target=lane.stop, daemon=True) for lane in self._lanes]
        for stop in stops:
            stop.start()
        deadline = clock.monotonic() + timeout
        for stop in stops:
            stop.join(max(deadline - clock.monotonic(), 0))
        return not any(stop.is_alive() for stop in stops)


class _Threads(TaskPool):  # type: ignore[misc]  # Celery has no types
    """Celery's threads pool, but its threads look for tasks in their own worker's app; without
    this they look in the process's default app and drop the message without a word."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.executor = ThreadPoolExecutor(self.limit, initializer=self.app.set_current)


class _Lane:
    """One queue's worker with its threads. It has a Celery app of its own, since the choice of
    queues is kept in the app; all apps of a process share what `memory://` holds."""

    def __init__(
        self,
        name: str,
        threads: int,
        runtime: Runtime,
        tasks: Mapping[str, Body],
        shutdown: threading.Event,
    ) -> None:
        self._name = name
        self._ready = threading.Event()
        app = Queue("memory://").app
        register_tasks(app, runtime, tasks, shutdown)
        app.finalize()
        self._worker = WorkController(
            app=app,
            hostname=f"{name}@akin",
            queues=[name],
            pool_cls=_Threads,
            concurrency=threads,
            ready_callback=lambda _: self._ready.set(),
            without_gossip=True,
            without_heartbeat=True,
            without_mingle=True,
        )
        self._thread = threading.Thread(target=self._worker.start, name=f"worker {name}")
        self._thread.daemon = True

    def start(self) -> None:
        self._thread.start()
        if not self._ready.wait(30):
            raise SetupError(
                f"The worker of the queue {self._name} did not start within 30 seconds: "
                "see the log, and start Akin again."
            )

    def stop(self) -> None:
        self._worker.stop()
        self._thread.join()
