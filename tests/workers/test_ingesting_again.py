"""An import that ends in the midst of its plan, or finds another import faster, is done again."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from backend.catalogue.intake import Batch
from backend.database import Database
from backend.runtime import Runtime
from tests.backend.catalogue.stock import product
from tests.workers.workshop import (
    import_files,
    job_of,
    open_import,
    photo,
    photos,
    products,
    report,
)
from workers import ingesting, plan_writing
from workers.execution import execute
from workers.ingesting import ingest
from workers.picture_intake import known_blobs
from workers.plan_items import Item


def test_a_plan_that_was_cut_short_is_made_anew(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = open_import(runtime, photos(5))
    shutdown = threading.Event()
    row = plan_writing._row

    def stop_in_the_second_part(job: str, position: int, item: Item) -> dict[str, object]:
        if position == 2:
            shutdown.set()
        return row(job, position, item)

    monkeypatch.setattr(plan_writing, "ROWS_AT_ONCE", 2)
    with monkeypatch.context() as patched:
        patched.setattr(plan_writing, "_row", stop_in_the_second_part)
        execute(runtime, "ingest", ingest, job_id, shutdown)
    stopped = job_of(runtime, job_id)
    assert (stopped.state, stopped.total) == ("queued", None)
    assert len(report(runtime, stopped)) == 2
    execute(runtime, "ingest", ingest, job_id, threading.Event())
    job = job_of(runtime, job_id)
    assert (job.state, job.total, job.result["created"]) == ("done", 5, 5)
    assert len(report(runtime, job)) == 5


def test_items_of_one_sku_keep_their_order_where_a_picture_goes_meanwhile(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of them waits for its bytes, so the second waits for it."""
    picture = photo()
    import_files(runtime, {"cap.jpg": picture})
    asked: list[int] = []

    def gone_at_first(session: Session, sha256s: Collection[str], **how: bool) -> dict[str, Any]:
        asked.append(len(sha256s))
        return {} if len(asked) == 1 else known_blobs(session, sha256s, **how)

    monkeypatch.setattr(ingesting, "known_blobs", gone_at_first)
    lists = {
        name: f"sku,title,image\nS,{title},{image}\n".encode()
        for name, title, image in (("a.csv", "First", "cap.jpg"), ("b.csv", "Second", "hat.jpg"))
    }
    job = import_files(runtime, {**lists, "cap.jpg": picture, "hat.jpg": photo("blue")})
    assert (job.result["created"], job.result["updated"]) == (1, 1)
    assert len(asked) == 2
    assert products(runtime)["S"].title == "Second"


@pytest.mark.services
def test_a_batch_is_done_again_where_another_import_was_first(
    postgres_database: Database, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = replace(runtime, database=postgres_database)
    write = Batch.write
    attempts: list[int] = []

    def after_another(batch: Batch) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            with runtime.database.write() as other:
                product(other, "1", title="Theirs")
        write(batch)

    monkeypatch.setattr(Batch, "write", after_another)
    job = import_files(runtime, photos(3))
    assert (job.state, job.failed) == ("done", 0)
    assert (job.result["created"], job.result["updated"]) == (2, 1)
    assert len(attempts) == 2
    found = products(runtime)
    assert found["1"].title == "Theirs"
    assert all(len(one.images) == 1 for one in found.values())
