"""A worker as a process of its own: `celery -A workers.server worker -P threads -Q io,embed,beat`.

Settings come from the environment. One worker must take the queue `beat`, to which `workers.beat`
sends.
"""

from __future__ import annotations

from celery.signals import heartbeat_sent

from workers.celery_process import started, worker_app

celery = started(worker_app, heartbeat_sent)
