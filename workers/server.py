"""The worker as a process of its own: `celery -A workers.server worker -Q io,embed -P threads`.

Settings come from the environment. `celery -A workers.server beat` asks for the sweeper's rounds;
one worker must take the queue `beat`.
"""

from __future__ import annotations

import threading

from celery import Celery
from celery.signals import worker_shutting_down

from backend.migrating import check
from backend.runtime import open_runtime
from backend.settings import Settings, read_settings
from workers.app import bodies, register_tasks
from workers.maintenance import schedule


def server_app(settings: Settings) -> Celery:
    """The Celery app with every task, over a runtime that stays open with the process.

    Raises:
        SetupError: for settings that cannot work, or tables of another version.
    """
    runtime = open_runtime(settings)
    check(runtime.database)
    shutdown = threading.Event()
    worker_shutting_down.connect(lambda **_: shutdown.set(), weak=False)
    app = runtime.queue.app
    register_tasks(app, runtime, bodies(), shutdown)
    schedule(app, runtime)
    return app


celery = server_app(read_settings())
