"""The plan of an import: its items in their order, in memory that does not grow with them, and made
anew where it was cut short."""

from __future__ import annotations

import gc
import hashlib
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from backend.catalogue import imports
from backend.catalogue.schemas import FileClaim, ImportCreate
from backend.catalogue.tables import Attribute
from backend.database import Database
from backend.errors import Unavailable
from backend.jobs import lease
from backend.jobs.tables import ImportFile, JobItem
from backend.runtime import Runtime
from tests.workers.workshop import (
    import_files,
    job_of,
    open_import,
    photo,
    photos,
    report,
    run_ingest,
    zipped,
)
from workers import plan_writing
from workers.execution import execute
from workers.plan_items import Item
from workers.planning import ImportPlan
from workers.run import Run
from workers.staged_files import StagedFiles


@pytest.fixture
def here(runtime: Runtime, database: Database) -> Runtime:
    """An installation over either database."""
    return replace(runtime, database=database)


def manifest_of(rows: int) -> bytes:
    """Each row with two attributes and a picture of its own, and a hundredth of them refused."""
    lines = (
        f"SKU-{n},{n}.jpg,Red dress number {n},{'cheap' if n % 100 == 0 else '19.90 EUR'},red,{n}"
        for n in range(rows)
    )
    return "\n".join(["sku,image,title,price,colour,size", *lines]).encode()


def started_import(runtime: Runtime, rows: int) -> str:
    """An import of so many rows and pictures, of which only the manifest is really staged."""
    data = manifest_of(rows)
    sha256 = hashlib.sha256(data).hexdigest()
    runtime.blobs.stage(sha256, [data], len(data))
    with runtime.database.write() as session:
        job_id = imports.open_import(session, runtime.queue, ImportCreate(), "ann").id
        files = [{"name": "list.csv", "sha256": sha256, "size": len(data)}]
        files += [{"name": f"{n}.jpg", "sha256": f"{n:064x}", "size": 1} for n in range(rows)]
        session.execute(
            insert(ImportFile), [{"job_id": job_id, "received": True} | f for f in files]
        )
        imports.start(session, runtime.queue, job_id)
    return job_id


def planned_only(run: Run) -> dict[str, Any]:
    with StagedFiles(run.runtime.blobs) as staged:
        plan_writing.write_plan(run, staged)
    return {}


@contextmanager
def tidy() -> Iterator[None]:
    """Garbage in cycles goes at once, so that only what is held is counted."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()  # what is there already need not be looked at each time
    gc.set_threshold(1_000, 2, 2)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def peak_of_planning(runtime: Runtime, rows: int) -> int:
    """The most bytes that Python held at once while it planned so many rows."""
    job_id = started_import(runtime, rows)
    with tidy():
        tracemalloc.start()
        try:
            execute(runtime, "ingest", planned_only, job_id, threading.Event())
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    job = job_of(runtime, job_id)
    assert (job.total, job.failed) == (rows, rows // 100)
    return peak


@pytest.mark.slow
@pytest.mark.parametrize(
    ("few", "many", "page", "a_row"),
    [
        (300, 1_500, 100, 500),  # so few that the manifest's own text, read at once, counts
        pytest.param(2_000, 20_000, 500, 100, marks=pytest.mark.timeout(1800)),
    ],
)
def test_the_memory_of_a_plan_does_not_grow_with_its_rows(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, few: int, many: int, page: int, a_row: int
) -> None:
    """a_row: bytes that a further row may take; kept in memory, a plan took 3,500."""
    monkeypatch.setattr(plan_writing, "ROWS_AT_ONCE", page)
    monkeypatch.setattr(imports, "READ_AT_ONCE", page)
    peak_of_planning(runtime, 100)  # what is loaded once
    before, after = peak_of_planning(runtime, few), peak_of_planning(runtime, many)
    itself = len(manifest_of(many)) - len(manifest_of(few))
    assert after - before < itself + a_row * (many - few)


def names(runtime: Runtime, job_id: str) -> list[str]:
    return [item.name for item in report(runtime, job_of(runtime, job_id))]


def test_items_come_zips_first_then_rows_then_pictures(runtime: Runtime) -> None:
    rows = b"sku,image\nB,b.jpg\nA,\nC,c.jpg\nB,d.jpg\nE,gone.jpg\n"
    files = {
        "z.zip": zipped({"notes.txt": b"x"}),
        "list.csv": rows,
        "broken.csv": b"sku,title\n",
        **{f"{name}.jpg": photo(colour) for name, colour in zip("abcd", COLOURS, strict=True)},
    }
    job = import_files(runtime, files)
    assert names(runtime, job.id) == [
        "z.zip",
        "broken.csv",
        "list.csv, row 3 (A)",
        "list.csv, row 2 (B)",
        "list.csv, row 4 (C)",
        "list.csv, row 6 (E)",
        "a.jpg",
    ]


COLOURS = ("red", "green", "blue", "teal")


def test_of_two_manifests_each_has_its_own_rows(runtime: Runtime) -> None:
    files = {
        "one.csv": b"sku,image,size\nA,a.jpg,10\n",
        "two.csv": b"sku,image,size\nA,a.jpg,S\nB,b.jpg,\nB,,9\n",
        "a.jpg": photo("red"),
        "b.jpg": photo("blue"),
    }
    job = import_files(runtime, files)
    assert names(runtime, job.id) == [
        "one.csv, row 2 (A)",
        "two.csv, row 4 (B)",
        "two.csv, row 2 (A)",
        "two.csv, row 3 (B)",
    ]
    assert (job.result["created"], job.result["updated"], job.failed) == (2, 1, 1)
    with runtime.database.read() as session:
        assert session.get_one(Attribute, "size").kind == "keyword"


def test_a_manifest_that_breaks_off_is_one_line_and_names_nothing(runtime: Runtime) -> None:
    files = {"p.csv": b'sku,image\nA,a.jpg\n,a.jpg\n"B,b.jpg\n', "a.jpg": photo("red")}
    job = import_files(runtime, files)
    assert names(runtime, job.id) == ["p.csv", "a.jpg"]


@pytest.mark.parametrize("name", ["z.zip", "list.csv"])
def test_a_bucket_that_is_away_is_no_word_about_a_file(runtime: Runtime, monkeypatch, name) -> None:
    """The job waits for it; a refusal would lose every picture of the file for good."""

    def away(_sha256: str) -> None:
        raise Unavailable("The bucket akin cannot be reached.")

    monkeypatch.setattr(runtime.blobs, "open_staged", away)
    claim = FileClaim(name=name, sha256="0" * 64, size=10)
    with StagedFiles(runtime.blobs) as staged, pytest.raises(Unavailable):
        list(ImportPlan([claim], staged, ImportCreate()).items())


class Enough(Exception):
    pass


def test_a_plan_may_be_stopped_at_any_picture_and_row(runtime: Runtime) -> None:
    rows = "\n".join(f"S{n},{n}.png" for n in range(50))
    data = {"p.csv": f"sku,image\n{rows}\n".encode(), "z.zip": zipped(photos(50))}
    claims = []
    for name, content in data.items():
        sha256 = hashlib.sha256(content).hexdigest()
        runtime.blobs.stage(sha256, [content], len(content))
        claims.append(FileClaim(name=name, sha256=sha256, size=len(content)))
    for most in (10, 90):
        calls = 0

        def note(done: int, total: int, most: int = most) -> None:
            nonlocal calls
            calls += 1
            if calls == most:
                raise Enough

        with StagedFiles(runtime.blobs) as staged, pytest.raises(Enough):
            list(ImportPlan(claims, staged, ImportCreate(), note).items())


def test_a_page_ends_where_it_has_enough_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_writing, "ROWS_AT_ONCE", 4)
    monkeypatch.setattr(plan_writing, "BYTES_AT_ONCE", 1_000)
    large, small = ({"size": "x" * size} for size in (600, 10))
    items = [Item("row", refusal="No.", cells=cells) for cells in [large] * 3 + [small] * 5]
    pages = list(plan_writing._pages("job", items))
    assert [len(page) for page in pages] == [2, 4, 2]
    assert [row["position"] for page in pages for row in page] == list(range(8))


def test_an_import_of_too_many_items_says_so(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_writing, "MAX_ITEMS", 3)
    assert import_files(runtime, photos(3)).state == "done"
    job = import_files(runtime, photos(4))
    assert (job.state, job.error) == (
        "failed",
        "This import has more than 3 pictures and rows: split it into several.",
    )


def test_names_too_long_for_a_report_are_cut(here: Runtime) -> None:
    """A zip's name and that of a file in it may have a thousand characters each."""
    inside = {f"{'y' * 900}.csv": b"sku\nA\n", f"{'p' * 900}.jpg": photo("red"), "q.zip": b"x"}
    archive = zipped(inside)
    job = import_files(here, {f"{'z' * 900}.zip": archive})
    assert (job.state, job.failed, job.result["created"]) == ("done", 2, 1)
    shown = names(here, job.id)
    assert sorted(len(name) for name in shown) == [910, 1000, 1000]
    assert all(name.startswith("z" * 900) for name in shown)


CHILD = """
import os, signal, sys, threading
from pathlib import Path
from backend.runtime import open_runtime
from backend.settings import Settings
from workers import ingesting, plan_writing
from workers.execution import execute
runtime = open_runtime(Settings(home=Path(sys.argv[1])))
plan_writing.ROWS_AT_ONCE = 4
row = plan_writing._row
def end_in_the_third_page(job, position, item):
    if position == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    return row(job, position, item)
plan_writing._row = end_in_the_third_page
execute(runtime, "ingest", ingesting.ingest, sys.argv[2], threading.Event())
"""


def test_a_planning_that_is_killed_is_done_again_and_doubles_nothing(runtime: Runtime) -> None:
    lines = "\n".join(f"S{n},dress/{n}.png" for n in range(12))
    job_id = open_import(runtime, {"p.csv": f"sku,image\n{lines}\n".encode(), **photos(14)})
    command = [sys.executable, "-c", CHILD, str(runtime.settings.home), job_id]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    child = subprocess.run(command, env=environment, check=False)
    assert child.returncode == -signal.SIGKILL
    cut = job_of(runtime, job_id)
    assert (cut.state, cut.total, cut.done) == ("running", None, 0)
    assert len(names(runtime, job_id)) == 8
    with runtime.database.write() as session:
        lease.reclaim_all(session)
    job = run_ingest(runtime, job_id)
    assert (job.state, job.total, job.done, job.result["created"]) == ("done", 14, 14, 14)
    with runtime.database.read() as session:
        assert session.scalar(select(func.count()).select_from(JobItem)) == 14
