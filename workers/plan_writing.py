"""Writing down what an import will do: an item for each of its pictures, rows and refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from backend import clock
from backend.audit.service import Subject, note
from backend.catalogue.attribute_kinds import declare_attributes
from backend.catalogue.attributes import register_attributes
from backend.catalogue.imports import files_of
from backend.catalogue.schemas import FileClaim, ImportCreate
from backend.errors import Conflict, InvalidInput, TooLarge
from backend.jobs.tables import Job, JobItem
from workers.plan_items import Item
from workers.planning import ImportPlan
from workers.run import Run
from workers.staged_files import StagedFiles

ROWS_AT_ONCE = 500
BYTES_AT_ONCE = 4 * 1024 * 1024
MAX_ITEMS = 1_000_000
TELL_SECONDS = 0.5
_NAME_LENGTH = 1_000
_HOSTS = 20  # that are told; more would be cut
_HOST_LENGTH = 253


def write_plan(run: Run, staged: StagedFiles) -> None:
    """Write down every item, unless that is done already.

    In pages as they are planned, in short transactions so that others can write; the total comes
    last and says that all are there. A run that ends before is done again from the start.

    Raises:
        Conflict: if the files of the import are not kept any more.
        TooLarge: for more than `MAX_ITEMS` items.
    """
    with run.read() as session:
        if session.get_one(Job, run.job_id).total is not None:
            return
        if next(files_of(session, run.job_id), None) is None:
            raise Conflict("The files of this import are not kept any more: import them again.")
    with run.write() as session:
        session.execute(delete(JobItem).where(JobItem.job_id == run.job_id))
        run.progress(session, stage="checking")
    request = ImportCreate.model_validate(run.parameters)
    web = bool(run.runtime.settings.url_import)
    plan = ImportPlan(_files(run), staged, request, Checking(run).note, web=web)
    total, failed, web_pictures = 0, 0, WebPictures()
    for rows in _pages(run.job_id, web_pictures.counted(plan.items())):
        run.checkpoint()
        with run.write() as session:
            session.execute(insert(JobItem), rows)
        total += len(rows)
        if total > MAX_ITEMS:
            raise TooLarge(
                f"This import has more than {MAX_ITEMS:,} pictures and rows: split it into several."
            )
        failed += sum(row["state"] == "failed" for row in rows)
    with run.write() as session:
        _type_attributes(session, plan)
        web_pictures.note(session, session.get_one(Job, run.job_id))
        run.progress(session, stage="importing", done=failed, failed=failed, total=total)


def _files(run: Run) -> Iterator[FileClaim]:
    with run.read() as session:
        yield from files_of(session, run.job_id)


def _pages(job_id: str, items: Iterable[Item]) -> Iterator[list[dict[str, Any]]]:
    """The rows of all items, so many at a time as are written at once."""
    page: list[dict[str, Any]] = []
    size = 0
    for position, item in enumerate(items):
        row = _row(job_id, position, item)
        page.append(row)
        size += len(json.dumps(row["payload"]))
        if len(page) == ROWS_AT_ONCE or size >= BYTES_AT_ONCE:
            yield page
            page, size = [], 0
    if page:
        yield page


class WebPictures:
    """How many pictures an import is to fetch, and from which hosts: for the audit log."""

    def __init__(self) -> None:
        self._count = 0
        self._hosts: dict[str, None] = {}

    def counted(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items, one by one."""
        for item in items:
            for source in item.plan.pictures if item.plan else ():
                if source.web is not None:
                    self._count += 1
                    if len(self._hosts) < _HOSTS:
                        self._hosts[_host(source.web)] = None
            yield item

    def note(self, session: Session, job: Job) -> None:
        """Leave a line, if there is something to fetch."""
        if self._count:
            told = {"pictures": self._count, "hosts": list(self._hosts)}
            note(session, job.actor, "import.fetch", Subject("job", job.id, job.kind), after=told)


def _host(address: str) -> str:
    """As it stands there, without what may be a password: the address was not looked at yet."""
    place = address.split("//", 1)[1]
    return re.split(r"[/?#\\]", place, maxsplit=1)[0].rpartition("@")[2][:_HOST_LENGTH]


class Checking:
    """Tells how many zips and manifests have been read, now and then; and stops where asked to."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._told = clock.monotonic()

    def note(self, done: int, total: int) -> None:
        """So many of so many have been read."""
        self._run.checkpoint()
        if clock.monotonic() - self._told < TELL_SECONDS:
            return
        self._told = clock.monotonic()
        with self._run.write() as session:
            self._run.progress(session, checked=(done, total))


def _type_attributes(session: Session, plan: ImportPlan) -> None:
    with suppress(InvalidInput):  # the rows that have it are refused with this sentence
        declare_attributes(session, plan.declared)
    for label, sample in plan.samples.items():
        try:
            register_attributes(session, {label: sample})
        except InvalidInput:
            continue  # the rows that have it are refused with this sentence


def _row(job_id: str, position: int, item: Item) -> dict[str, Any]:
    refused = item.plan is None
    payload = item.plan.model_dump(mode="json", exclude_none=True) if item.plan else None
    return {
        "job_id": job_id,
        "position": position,
        "name": item.name[:_NAME_LENGTH],
        "payload": row_said_again(item.cells) if payload is None else payload,
        "state": "failed" if refused else "pending",
        "outcome": "refused" if refused else None,
        "reason": item.refusal,
        "sku": item.sku,
    }


def row_said_again(cells: dict[str, str] | None) -> dict[str, Any]:
    """What the CSV of refusals repeats of a manifest's row."""
    return {} if cells is None else {"row": cells}
