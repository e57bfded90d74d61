"""What tells of deleted pictures besides points, blobs and features: sentences and sent files.

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

from backend.catalogue.imports import hold_claims, unstage_unclaimed
from backend.catalogue.tables import Image
from backend.feedback.tables import Triplet
from backend.jobs.forgetting import FORGOTTEN
from backend.jobs.reconciling import KIND as RECONCILE
from backend.jobs.schemas import FINISHED
from backend.jobs.tables import ImportFile, Job, JobItem
from backend.training.tables import TrainingLogLine
from workers.run import Run

_HASH = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_AT_ONCE, _FILES_AT_ONCE = 1000, 256


class _Said(NamedTuple):
    """Where sentences stand: what a row is known by, the column, and which rows are looked at."""

    key: tuple[Any, ...]
    text: Any
    where: ColumnElement[bool]


class _Mention(NamedTuple):
    """A sentence as it was read, its row, and what it is without the pictures that are gone."""

    key: tuple[Any, ...]
    text: str
    without: str


_SENTENCES = (
    _Said(
        (JobItem.job_id, JobItem.position),
        JobItem.reason,
        JobItem.job_id.in_(select(Job.id).where(Job.kind == RECONCILE)),
    ),
    _Said((TrainingLogLine.job_id, TrainingLogLine.number), TrainingLogLine.text, true()),
    _Said((Job.id,), Job.error, true()),
)


def forget_mentions(run: Run, sha256s: Collection[str]) -> None:
    """Nothing names those of these pictures any more that neither an image nor a triplet shows.

    Every sentence is read for it: give it many pictures at once.
    """
    with run.read() as session:
        gone = set(sha256s) - _shown(session, sha256s)
        if not gone:
            return
        found = [(said, _mentions(session, said, gone)) for said in _SENTENCES]
    with run.write() as session:
        for said, mentions in found:
            for mention in sorted(mentions):  # so that no two who lock such rows can deadlock
                _say_without(session, said, mention)
    hashes = sorted(gone)
    for start in range(0, len(hashes), _FILES_AT_ONCE):
        run.checkpoint()
        # Of its own: whoever ends an import holds the claims before the jobs' rows.
        with run.write() as session:
            _forget_files(run, session, hashes[start : start + _FILES_AT_ONCE])


def _shown(session: Session, sha256s: Collection[str]) -> set[str]:
    images = select(Image.sha256).where(Image.sha256.in_(sha256s))
    triplets = select(Triplet.reference_sha256).where(Triplet.reference_sha256.in_(sha256s))
    return {*session.scalars(images), *filter(None, session.scalars(triplets))}


def _mentions(session: Session, said: _Said, gone: AbstractSet[str]) -> list[_Mention]:
    """The sentences that name one of these."""
    query = select(*said.key, said.text).where(said.where, said.text.is_not(None))
    found = []
    for *key, text in session.execute(query.execution_options(yield_per=_AT_ONCE)):
        if not gone.isdisjoint(_HASH.findall(text)):
            without = _HASH.sub(lambda named: FORGOTTEN if named[0] in gone else named[0], text)
            found.append(_Mention(tuple(key), text, without))
    return found


def _say_without(session: Session, said: _Said, mention: _Mention) -> None:
    """Unless the sentence is another by now, which must not be lost."""
    row = [column == value for column, value in zip(said.key, mention.key, strict=True)]
    there = update(said.text.class_).where(*row, said.text == mention.text)
    session.execute(there.values({said.text: mention.without}))


def _forget_files(run: Run, session: Session, gone: Collection[str]) -> None:
    hold_claims(session)
    ended = select(Job.id).where(Job.state.in_(FINISHED))
    theirs = (ImportFile.sha256.in_(gone), ImportFile.job_id.in_(ended))
    session.execute(delete(ImportFile).where(*theirs))
    unstage_unclaimed(session, run.runtime.blobs, gone)
