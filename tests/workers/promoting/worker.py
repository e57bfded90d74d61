"""A process that does what is left to do of a promotion, and is killed at a named point of it.

    python -m tests.workers.promoting.worker PLACE ACTION [POINT]

A point is a function, whether the kill comes before or after it, and in which of its calls; the
signal is SIGKILL, so nothing is put in order on the way out.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from backend.jobs.broker import Queue
from backend.jobs.lease import reclaim_all
from backend.jobs.tables import Job
from backend.registry import deployments, promotion, retention
from backend.registry.deployments import active
from backend.registry.tables import ModelVersion
from backend.runtime import Runtime
from tests.workers.training.installations import opened
from workers import embedding, embedding_images, promoting
from workers.embedding import reembed
from workers.execution import execute
from workers.run import Run

Point = tuple[Any, str, str, int]
"""Of what, which function, before or after, and at which call."""

NEW = "seeing"
"""The version with a new image tower."""

PROMOTION: dict[str, Point] = {
    "in the transaction that asks for it": (promotion, "ensure_embed", "after", 1),
    "when it is asked for, before any message": (Queue, "send", "before", 1),
    "before its gallery is made": (embedding_images.Encoding, "_opened", "before", 1),
    "when its gallery is made, before the first picture": (
        embedding._Embedding,
        "_add",
        "before",
        1,
    ),
    "when points are stored, before they are noted": (
        embedding_images,
        "note_embedded",
        "before",
        2,
    ),
    "in the transaction that notes them": (embedding_images, "note_embedded", "after", 1),
    "when all is embedded, before the job is done": (Run, "finish", "before", 1),
    "when the job is done, before the switch": (embedding, "settle", "before", 1),
    "when the gallery is in its fastest form, before the switch": (
        promoting,
        "switch",
        "before",
        1,
    ),
    "in the transaction of the switch": (promotion, "_deploy", "after", 1),
}
SWITCHED: dict[str, Point] = {"when it is switched": (promoting, "settle", "after", 1)}
ROLLBACK: dict[str, Point] = {
    "in the transaction of the rollback": (deployments, "note_version", "after", 1),
}
DROP: dict[str, Point] = {
    "in the transaction that drops a gallery": (retention, "_stop_embedding", "after", 1),
    "when SQL has forgotten a gallery, before the store": (retention, "after_commit", "store", 1),
}
POINTS = PROMOTION | SWITCHED | ROLLBACK | DROP


def main() -> None:
    place, action, *point = sys.argv[1:]
    if point:
        arm(*POINTS[point[0]])
    with opened(Path(place), embed_batch=8, keep_gallery_days=0.0) as runtime:
        with runtime.database.write() as session:
            reclaim_all(session)
            retention.drop_orphans(session, runtime.galleries)
        {"promote": promote, "roll back": roll_back, "drop": promoting.let_go}[action](runtime)


def promote(runtime: Runtime) -> None:
    """Ask for it unless that is done, fill the gallery, switch."""
    with runtime.database.write() as session:
        wanted = session.scalars(select(ModelVersion).where(ModelVersion.name == NEW)).one()
        waits = promotion.waiting_promotion(session)
        if waits is None and active(session).version_id != wanted.id:
            promotion.promote(
                session, runtime.queue, wanted.id, actor="ann", reason="sharper", override=True
            )
    with runtime.database.read() as session:
        queued = select(Job.id).where(Job.kind == "reembed", Job.state == "queued")
        ids = list(session.scalars(queued))
    for job_id in ids:
        execute(runtime, "reembed", reembed, job_id, threading.Event())
    promoting.settle(runtime)


def roll_back(runtime: Runtime) -> None:
    """Let the version before answer again."""
    with runtime.database.write() as session:
        promotion.rollback(session, actor="ann")


def die() -> None:
    """Be killed, as by the machine."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(owner: Any, name: str, when: str, count: int) -> None:
    """Let this process be killed there."""
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def dying(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if when == "store":  # what is to be done after the commit dies instead
            return original(args[0], die)
        if calls == count and when == "before":
            die()
        found = original(*args, **kwargs)
        if calls == count:
            die()
        return found

    setattr(owner, name, dying)


if __name__ == "__main__":
    main()
