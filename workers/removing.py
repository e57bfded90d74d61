"""What tells of deleted pictures besides points, blobs and features: files and sentences.

A picture is named by its hash: in reports of reconciliations, in logs and errors of trainings, and
among the files of imports that have ended and may be retried.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, delete, select, true, update
from sqlalchemy.orm import Session

from backend.catalogue.imports import hold_claims, release_staged, unstage_unclaimed
from backend.catalogue.tables import Image
from backend.feedback.tables import Triplet
from backend.jobs.forgetting import FORGOTTEN
from backend.jobs.reconciling import KIND as RECONCILE
from backend.jobs.schemas import FINISHED
from backend.jobs.tables import ImportFile, Job, JobItem
from backend.training.tables import TrainingLogLine
from workers.run import Run

_HASH = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_AT_ONCE = 1000


class _Said(NamedTuple):
    """Where sentences stand: what a row is known by, the column, and which rows are looked at."""

    key: tuple[Any, ...]
    text: Any
    where: ColumnElement[bool]


def forget_mentions(run: Run, sha256s: Collection[str]) -> None:
    """Nothing names those of these pictures any more that neither an image nor a triplet shows."""
    with run.read() as session:
        gone = set(sha256s) - _shown(session, sha256s)
        found = [(said, _mentions(session, said, gone)) for said in _SENTENCES]
    if not gone:
        return
    with run.write() as session:
        for said, sentences in found:
            for key, text in sentences.items():
                row = [column == value for column, value in zip(said.key, key, strict=True)]
                session.execute(update(said.text.class_).where(*row).values({said.text: text}))
        _forget_files(run, session, gone)


def release_ended(run: Run) -> None:
    """Files of imports that are over go now, not only once the next import ends."""
    while True:
        run.checkpoint()
        with run.write() as session:
            if not release_staged(session, run.runtime.blobs):
                return


def _shown(session: Session, sha256s: Collection[str]) -> set[str]:
    images = select(Image.sha256).where(Image.sha256.in_(sha256s))
    triplets = select(Triplet.reference_sha256).where(Triplet.reference_sha256.in_(sha256s))
    return {*session.scalars(images), *filter(None, session.scalars(triplets))}


def _mentions(session: Session, said: _Said, gone: AbstractSet[str]) -> dict[tuple[Any, ...], str]:
    """The sentences that name one of these, by their rows' keys, as they are without it."""
    columns = [*said.key, said.text]
    query = select(*columns).where(said.where, said.text.is_not(None))
    found: dict[tuple[Any, ...], str] = {}
    for *key, text in session.execute(query.execution_options(yield_per=_AT_ONCE)):
        if not gone.isdisjoint(_HASH.findall(text)):
            found[tuple(key)] = _HASH.sub(
                lambda named: FORGOTTEN if named[0] in gone else named[0], text
            )
    return found


def _forget_files(run: Run, session: Session, gone: Collection[str]) -> None:
    hold_claims(session)
    ended = select(Job.id).where(Job.state.in_(FINISHED))
    theirs = (ImportFile.sha256.in_(gone), ImportFile.job_id.in_(ended))
    session.execute(delete(ImportFile).where(*theirs))
    unstage_unclaimed(session, run.runtime.blobs, gone)


_SENTENCES = (
    _Said(
        (JobItem.job_id, JobItem.position),
        JobItem.reason,
        JobItem.job_id.in_(select(Job.id).where(Job.kind == RECONCILE)),
    ),
    _Said((TrainingLogLine.job_id, TrainingLogLine.number), TrainingLogLine.text, true()),
    _Said((Job.id,), Job.error, true()),
)
