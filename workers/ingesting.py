"""The ingest job: the files of an import become blobs, products and images.

It plans first, all items before the first one, and then works through them in batches: pictures are
read, decoded and stored outside of any transaction, then one transaction writes the rows and what
became of each item. So a job that is resumed goes on with the items that are still pending.

Many items are cut into parts, for several workers. Items of one SKU are done in their order all the
same: each knows the one before it, and waits for it where another worker has that.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from backend import clock
from backend.catalogue.field_types import sku_form
from backend.catalogue.imports import release_staged
from backend.catalogue.intake import Batch, Taken
from backend.catalogue.lost_pictures import forget_problems
from backend.catalogue.schemas import ImportCreate, ProductFields
from backend.catalogue.service import ensure_embedded
from backend.database import after_commit
from backend.errors import AkinError
from backend.jobs.tables import JobItem
from backend.metrics import INGEST_STAGE_SECONDS, INGESTED_ITEMS
from backend.stopwatch import Stopwatch
from workers.app import task
from workers.holding import Hold
from workers.import_batches import Work, next_batch, pending_stretches
from workers.leading import cut, is_cut, work_through
from workers.picture_intake import Intake, known_blobs, take_in
from workers.plan_items import ItemPlan
from workers.plan_writing import row_said_again, write_plan
from workers.prefetching import decode_threads
from workers.run import Run
from workers.sharing import Share, is_shared, part_of
from workers.staged_files import StagedFiles

OUTCOMES = ("created", "updated", "unchanged", "skipped", "refused")
PART_ITEMS = 256
RACES = 3
EVERYTHING = range(2**31)
WAIT_SECONDS, LOOK_SECONDS = 5.0, 0.1
"""So long a part waits for an item of another before it is put off, so that a lead can take over
that other one if its worker is gone."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What an import works with, as long as a worker is at it."""

    staged: StagedFiles
    pool: Executor
    watch: Stopwatch


@task("ingest")
def ingest(run: Run) -> dict[str, Any]:
    """Do an import; the result counts the outcomes and gives the seconds of each stage.

    Raises:
        Conflict: if its files are not kept any more.
        TooLarge: if they make too many items.
    """
    with _importing(run) as tools:
        with tools.watch.stage("plan"):
            write_plan(run, tools.staged)
        if is_shared(run.runtime) and _cut(run):
            work_through(run, lambda share: _import(share, tools, _stretch(share)))
        # All of a small import, and whatever is left of a large one.
        _import(run, tools, EVERYTHING)
    while _release(run):
        run.checkpoint()
    return {**_outcomes(run), "seconds": tools.watch.seconds()}


@part_of("ingest")
def import_part(share: Share) -> bool:
    """Do a part of an import that another worker leads."""
    with _importing(share) as tools:
        return _import(share, tools, _stretch(share))


@contextmanager
def _importing(hold: Hold) -> Iterator[Tools]:
    # More threads than processors: half of a picture's time is waiting for the disk's flush.
    threads = 2 * decode_threads()
    with (
        StagedFiles(hold.runtime.blobs) as staged,
        ThreadPoolExecutor(threads, "pictures") as pool,
    ):
        yield Tools(staged, pool, Stopwatch(INGEST_STAGE_SECONDS))


def _cut(run: Run) -> bool:
    """Whether there are parts: of a lead before this one, or cut here where it makes several."""
    if is_cut(run):
        return True
    with run.read() as session:
        stretches = pending_stretches(session, run.job_id, PART_ITEMS)
    if len(stretches) < 2:
        return False
    with run.write() as session:
        cut(run, session, stretches)
    return True


def _stretch(share: Share) -> range:
    return range(share.part.first, share.part.last + 1)


def _import(hold: Hold, tools: Tools, positions: range) -> bool:
    """Do all pending items of these positions; False if some have to wait for other parts."""
    waiting_since: float | None = None
    while (batch := next_batch(hold, positions)) is not None:
        hold.checkpoint()
        if batch:
            _do_batch(hold, batch, tools)
            waiting_since = None
            continue
        waiting_since = waiting_since or clock.monotonic()
        if clock.monotonic() - waiting_since >= WAIT_SECONDS:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def _do_batch(hold: Hold, batch: Sequence[Work], tools: Tools) -> None:
    staged, pool, watch = tools.staged, tools.pool, tools.watch
    sources = [source for work in batch for source in work.plan.pictures]
    with watch.stage("pictures"):
        intake = take_in(hold.runtime, sources, staged, pool, checkpoint=hold.checkpoint)
    with watch.stage("sql"):
        _write(hold, batch, intake)
    blobs = hold.runtime.blobs
    with watch.stage("pictures"):
        # A deletion that began before our commit may have taken bytes we found in place.
        gone = {sha256 for sha256 in intake.fresh if not blobs.exists(sha256)}
        lost = [source for source in sources if gone & intake.hashes([source])]
        take_in(hold.runtime, lost, staged, pool, again=True)


def _write(hold: Hold, batch: Sequence[Work], intake: Intake) -> None:
    """Rows and outcomes, once more if another import or part was first with one of the products."""
    for _ in range(RACES):
        try:
            return _write_once(hold, batch, intake)
        except IntegrityError as error:
            lost = error
    raise lost


def _write_once(hold: Hold, batch: Sequence[Work], intake: Intake) -> None:
    """Items that rely on a blob deleted meanwhile stay pending, as do later ones of their SKUs."""
    request = ImportCreate.model_validate(hold.parameters)
    with hold.write() as session:
        relied = {p.sha256 for p in intake.pictures.values()} - intake.fresh
        vanished = relied - known_blobs(session, relied, hold=True).keys()
        waiting: set[int | None] = set()
        for work in batch:
            if vanished & intake.hashes(work.plan.pictures) or work.plan.after in waiting:
                waiting.add(work.position)
        here = [work for work in batch if work.position not in waiting]
        products = Batch(session, [work.plan.sku for work in here])
        taken = [(work, _take(products, work.plan, intake, request)) for work in here]
        products.write()
        rows = [_outcome_row(hold.job_id, work, one) for work, one in taken]
        if rows:
            session.execute(update(JobItem), rows)
        failed = sum(row["state"] == "failed" for row in rows)
        hold.count(session, done=len(rows), failed=failed)
        after_commit(session, partial(_count, [row["outcome"] for row in rows]))
        healed = forget_problems(session, intake.fresh)
        if healed or any(row["outcome"] in {"created", "updated"} for row in rows):
            ensure_embedded(session, hold.runtime.queue)


def _count(outcomes: Iterable[str]) -> None:
    for outcome in outcomes:
        INGESTED_ITEMS.labels(outcome).inc()


def _take(
    products: Batch, plan: ItemPlan, intake: Intake, request: ImportCreate
) -> Taken | AkinError:
    try:
        pictures = intake.of(plan.pictures)
        if not plan.from_manifest:
            return products.take_file(plan.sku, plan.fields, pictures[0])
        return products.take_row(
            plan.sku,
            plan.fields,
            pictures,
            on_conflict=request.on_conflict,
            defaults=ProductFields(category=request.category, split=request.split),
        )
    except AkinError as error:
        return error


def _outcome_row(job_id: str, work: Work, taken: Taken | AkinError) -> dict[str, Any]:
    """What became of an item; its plan is not needed any more, and what it became is."""
    place = {"job_id": job_id, "position": work.position}
    if isinstance(taken, Taken):
        payload = {"product": taken.product_id}
        done = {"state": "done", "outcome": taken.outcome, "reason": None, "payload": payload}
        return place | done | {"sku": taken.sku}
    payload = row_said_again(work.plan.cells())
    told = {"state": "failed", "outcome": "refused", "reason": taken.sentence, "payload": payload}
    return place | told | {"sku": sku_form(work.plan.sku)}


def _release(run: Run) -> bool:
    """Let go of staged files, those of this job too; whether there are more."""
    with run.write() as session:
        return release_staged(session, run.runtime.blobs, ending=run.job_id)


def _outcomes(run: Run) -> dict[str, int]:
    query = select(JobItem.outcome, func.count()).where(JobItem.job_id == run.job_id)
    with run.read() as session:
        found = session.execute(query.group_by(JobItem.outcome)).all()
    return dict.fromkeys(OUTCOMES, 0) | {str(outcome): count for outcome, count in found}
