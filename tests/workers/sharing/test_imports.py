"""Several workers share one import: each item is done once, and those of one SKU in their order."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import structlog

from backend.jobs import parts
from backend.runtime import Runtime
from tests.workers.sharing.stage import (
    ON_POSTGRES,
    PART,
    Stage,
    keep_at_it,
    led,
    standing,
    wake,
)
from tests.workers.workshop import (
    import_files,
    job_of,
    open_import,
    photo,
    photos,
    products,
    report,
)
from workers import ingesting
from workers.holding import Hold
from workers.sharing import Share


def test_three_workers_do_each_item_once(runtime: Runtime, stage: Stage) -> None:
    job_id = open_import(runtime, photos(30))
    come, go = stage.hold_up(0)
    with led(runtime, job_id, come), ThreadPoolExecutor(2) as pool:
        joined = [pool.submit(keep_at_it, runtime, job_id) for _ in range(2)]
        while len(stage.done) < 2 * PART:
            assert not any(one.done() for one in joined)
        go.set()
    job = job_of(runtime, job_id)
    assert (job.state, job.done, job.failed, job.total) == ("done", 30, 0, 30)
    assert job.result["created"] == 30
    assert stage.positions == list(range(30))
    assert len({thread for thread, _ in stage.done}) > 1
    assert len(products(runtime)) == 30
    assert standing(runtime, job_id).parts == 0
    assert {item.state for item in report(runtime, job)} == {"done"}


@ON_POSTGRES
def test_whoever_comes_does_one_part_and_passes_the_message_on(
    runtime: Runtime, stage: Stage
) -> None:
    job_id = open_import(runtime, photos(12))
    come, go = stage.hold_up(0)
    with led(runtime, job_id, come):
        waiting = runtime.queue.waiting("ingest")
        wake(runtime, job_id)
        assert stage.positions == [4, 5, 6, 7]
        assert runtime.queue.waiting("ingest") == waiting + 1
        wake(runtime, job_id)
        assert stage.positions == list(range(4, 12))
        assert runtime.queue.waiting("ingest") == waiting + 1, "no part is free"
        wake(runtime, job_id)
        go.set()
    assert stage.positions == list(range(12))
    assert job_of(runtime, job_id).done == 12


@ON_POSTGRES
def test_log_lines_of_a_part_say_which(runtime: Runtime, stage: Stage) -> None:
    job_id = open_import(runtime, photos(8))
    said: list[Any] = []
    stage.before = lambda hold, positions: said.append(
        tuple(structlog.contextvars.get_contextvars().get(key) for key in ("job", "kind", "part"))
    )
    come, go = stage.hold_up(0)
    with led(runtime, job_id, come):
        wake(runtime, job_id)
        go.set()
    assert set(said) == {(job_id, "ingest", 0), (job_id, "ingest", 1)}


def test_a_small_import_is_not_cut(runtime: Runtime, stage: Stage) -> None:
    held: list[Hold] = []
    stage.before = lambda hold, positions: held.append(hold)
    waiting = runtime.queue.waiting("ingest")
    assert import_files(runtime, photos(PART)).state == "done"
    assert not any(isinstance(hold, Share) for hold in held)
    assert runtime.queue.waiting("ingest") == waiting + 1, "that of the import itself"


def test_the_worker_inside_the_api_shares_nothing(runtime: Runtime, stage: Stage) -> None:
    runtime.queue.in_process = True
    job_id = open_import(runtime, photos(8))
    come, go = stage.hold_up(0)
    with led(runtime, job_id, come):
        assert standing(runtime, job_id).parts == 0
        wake(runtime, job_id)
        assert stage.positions == []
        go.set()
    assert job_of(runtime, job_id).state == "done"


@ON_POSTGRES
def test_items_of_one_sku_keep_their_order(
    runtime: Runtime, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second manifest's rows come to a worker while the first's are still to be done."""
    monkeypatch.setattr(ingesting, "WAIT_SECONDS", 0.0)
    files = {f"{n}.png": photo(f"rgb({n}, 90, 9)", "PNG") for n in range(4)}
    for name in ("a", "b"):
        rows = "".join(f"S{n},{n}.png,{name} {n}\n" for n in range(4))
        files[f"{name}.csv"] = f"sku,image,title\n{rows}".encode()
    job_id = open_import(runtime, files)
    come, go = stage.hold_up(0)
    with led(runtime, job_id, come):
        wake(runtime, job_id)
        assert stage.positions == [], "they wait"
        assert standing(runtime, job_id) == parts.Standing(parts=2, free=1, spent=0)
        go.set()
    job = job_of(runtime, job_id)
    assert (job.state, job.result["created"], job.result["updated"]) == ("done", 4, 4)
    assert {one.title for one in products(runtime).values()} == {f"b {n}" for n in range(4)}


def test_pictures_of_one_name_keep_their_order(runtime: Runtime) -> None:
    """The first has the name for its SKU, the others get digits of their hash."""
    files = {
        f"{folder}/{n}.png": photo(f"rgb({n}, {blue}, 9)", "PNG")
        for blue, folder in enumerate("abc")
        for n in range(6)
    }
    job_id = open_import(runtime, files)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: keep_at_it(runtime, job_id), range(3)))
    found = {sku: one.images[0].sha256 for sku, one in products(runtime).items()}
    firsts = {str(n): files[f"a/{n}.png"] for n in range(6)}
    assert len(found) == 18
    assert {sku: found[sku] for sku in firsts} == {
        sku: hashlib.sha256(data).hexdigest() for sku, data in firsts.items()
    }
