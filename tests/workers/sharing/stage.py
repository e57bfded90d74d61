"""Several workers in threads of a test: woken one by one, watched, and held up where it matters."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from backend.encoding.backbone import Backbone
from backend.jobs import parts
from backend.jobs.schemas import FINISHED
from backend.runtime import Runtime
from tests.workers.workshop import job_of
from workers import embedding_images, import_batches, ingesting
from workers.embedding import embed
from workers.execution import execute
from workers.holding import Hold
from workers.ingesting import ingest
from workers.vectors import encode

BODIES = {"ingest": ingest, "embed": embed}
PART = 4
ON_POSTGRES = pytest.mark.parametrize(
    "database", [pytest.param("postgres", marks=pytest.mark.services)], indirect=True
)
"""For tests whose workers wait for each other in the midst of things."""


def wake(runtime: Runtime, job_id: str, shutdown: threading.Event | None = None) -> None:
    """What one message does."""
    kind = job_of(runtime, job_id).kind
    execute(runtime, kind, BODIES[kind], job_id, shutdown or threading.Event())


def keep_at_it(runtime: Runtime, job_id: str) -> None:
    """One message after the other until the job is over."""
    while job_of(runtime, job_id).state not in FINISHED:
        wake(runtime, job_id)


class Stage:
    """Watches the batches of an import: who did which, and who is held up where."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[tuple[int, int]] = []  # thread and position
        self.before: Callable[[Hold, list[int]], None] = lambda hold, positions: None
        do_batch = ingesting._do_batch

        def watched(hold: Hold, batch: list[import_batches.Work], tools: Any) -> None:
            positions = [work.position for work in batch]
            self.before(hold, positions)
            do_batch(hold, batch, tools)
            self.done += [(threading.get_ident(), position) for position in positions]

        monkeypatch.setattr(ingesting, "_do_batch", watched)

    @property
    def positions(self) -> list[int]:
        return sorted(position for _, position in self.done)

    def hold_up(self, position: int) -> tuple[threading.Event, threading.Event]:
        """Whoever comes to this position says so by the first, and waits for the second."""
        come, go = threading.Event(), threading.Event()
        before = self.before

        def wait(hold: Hold, positions: list[int]) -> None:
            before(hold, positions)
            if position in positions and not come.is_set():
                come.set()
                assert go.wait(30)

        self.before = wait
        return come, go


@contextmanager
def led(runtime: Runtime, job_id: str, come: threading.Event) -> Iterator[Future[None]]:
    """A worker that leads the job, and has come so far."""
    with ThreadPoolExecutor(1) as pool:
        leading_it = pool.submit(wake, runtime, job_id)
        assert come.wait(30)
        yield leading_it


def standing(runtime: Runtime, job_id: str) -> parts.Standing:
    with runtime.database.read() as session:
        return parts.standing(session, job_id)


class Encodings:
    """Watches who encodes under which hold."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.skus: list[str] = []
        self.threads: set[int] = set()
        self.before: Callable[[], None] = lambda: None

        def watched(backbone: Backbone, batch: Any, threads: int) -> Any:
            self.before()
            self.threads.add(threading.get_ident())
            self.skus += [one.wanted.sku for one in batch]
            return encode(backbone, batch, threads)

        monkeypatch.setattr(embedding_images, "encode", watched)


def waiting_lead(encodings: Encodings) -> tuple[threading.Event, threading.Event]:
    """The first that encodes says so, and waits; whoever comes later does not."""
    come, go = threading.Event(), threading.Event()

    def wait() -> None:
        if not come.is_set():
            come.set()
            assert go.wait(30)

    encodings.before = wait
    return come, go
