"""The ingest job: the files of an import become blobs, products and images.

It plans first, all items before the first one, and then works through them in batches: pictures are
read, decoded and stored outside of any transaction, then one transaction writes the rows and what
became of each item. So a job that is resumed goes on with the items that are still pending.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from backend.catalogue.imports import release_staged
from backend.catalogue.intake import Batch, Taken
from backend.catalogue.lost_pictures import forget_problems
from backend.catalogue.schemas import ImportCreate, ProductFields, sku_form
from backend.catalogue.service import ensure_embedded
from backend.database import after_commit
from backend.errors import AkinError
from backend.jobs.tables import Job, JobItem
from backend.metrics import INGEST_STAGE_SECONDS, INGESTED_ITEMS
from backend.stopwatch import Stopwatch
from workers.app import task
from workers.picture_intake import Intake, known_blobs, take_in
from workers.plan_writing import row_said_again, write_plan
from workers.planning import ItemPlan
from workers.prefetching import decode_threads
from workers.run import Run
from workers.staged_files import StagedFiles

OUTCOMES = ("created", "updated", "unchanged", "skipped", "refused")
BATCH_ITEMS = 64
BATCH_BYTES = 128 * 1024 * 1024
BATCH_PICTURES = 1_000
RACES = 3


@dataclass(frozen=True, slots=True)
class Work:
    """A pending item."""

    position: int
    plan: ItemPlan


@task("ingest")
def ingest(run: Run) -> dict[str, Any]:
    """Do an import; the result counts the outcomes and gives the seconds of each stage.

    Raises:
        Conflict: if its files are not kept any more.
        TooLarge: if they make too many items.
    """
    watch = Stopwatch(INGEST_STAGE_SECONDS)
    with StagedFiles(run.runtime.blobs) as staged:
        with watch.stage("plan"):
            write_plan(run, staged)
        # More threads than processors: half of a picture's time is waiting for the disk's flush.
        with ThreadPoolExecutor(2 * decode_threads(), "pictures") as pool:
            while batch := _next_batch(run):
                run.checkpoint()
                _do_batch(run, batch, staged, pool, watch)
    while _release(run):
        run.checkpoint()
    return {**_outcomes(run), "seconds": watch.seconds()}


def _next_batch(run: Run) -> list[Work]:
    """The next pending items: as many as their pictures allow by number and bytes; at least one."""
    pending = (JobItem.job_id == run.job_id, JobItem.state == "pending")
    query = select(JobItem.position, JobItem.payload).where(*pending).order_by(JobItem.position)
    with run.read() as session:
        rows = session.execute(query.limit(run.at_once(BATCH_ITEMS))).all()
    batch: list[Work] = []
    size = pictures = 0
    for position, payload in rows:
        work = Work(position, ItemPlan.model_validate(payload))
        size += sum(source.size for source in work.plan.pictures)
        pictures += len(work.plan.pictures)
        if batch and (size > BATCH_BYTES or pictures > BATCH_PICTURES):
            break
        batch.append(work)
    return batch


def _do_batch(
    run: Run, batch: Sequence[Work], staged: StagedFiles, pool: Executor, watch: Stopwatch
) -> None:
    sources = [source for work in batch for source in work.plan.pictures]
    with watch.stage("pictures"):
        intake = take_in(run.runtime, sources, staged, pool, checkpoint=run.checkpoint)
    with watch.stage("sql"):
        _write(run, batch, intake)
    blobs = run.runtime.blobs
    with watch.stage("pictures"):
        # A deletion that began before our commit may have taken bytes we found in place.
        gone = {sha256 for sha256 in intake.fresh if not blobs.exists(sha256)}
        lost = [source for source in sources if gone & intake.hashes([source])]
        take_in(run.runtime, lost, staged, pool, again=True)


def _write(run: Run, batch: Sequence[Work], intake: Intake) -> None:
    """Rows and outcomes, once more if another import was first with one of the products."""
    for _ in range(RACES):
        try:
            return _write_once(run, batch, intake)
        except IntegrityError as error:
            lost = error
    raise lost


def _write_once(run: Run, batch: Sequence[Work], intake: Intake) -> None:
    """Items that rely on a blob deleted meanwhile stay pending."""
    request = ImportCreate.model_validate(run.parameters)
    with run.write() as session:
        relied = {p.sha256 for p in intake.pictures.values()} - intake.fresh
        vanished = relied - known_blobs(session, relied, hold=True).keys()
        here = [work for work in batch if not vanished & intake.hashes(work.plan.pictures)]
        products = Batch(session, [work.plan.sku for work in here])
        taken = [(work, _take(products, work.plan, intake, request)) for work in here]
        products.write()
        rows = [_outcome_row(run.job_id, work, one) for work, one in taken]
        if rows:
            session.execute(update(JobItem), rows)
        job = session.get_one(Job, run.job_id)
        failed = sum(row["state"] == "failed" for row in rows)
        run.progress(session, done=job.done + len(rows), failed=job.failed + failed)
        after_commit(session, partial(_count, [row["outcome"] for row in rows]))
        healed = forget_problems(session, intake.fresh)
        if healed or any(row["outcome"] in {"created", "updated"} for row in rows):
            ensure_embedded(session, run.runtime.queue)


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
