"""The clock of the server profile, once an installation: `celery -A workers.beat beat`.

Its sign of life is a message that got through to the broker.
"""

from __future__ import annotations

from celery.signals import after_task_publish

from workers.celery_process import beat_app, started

celery = started(beat_app, after_task_publish)
