"""Imports before they run: a job in state collecting takes files by hash, then starts (Decision 9).

Staged bytes belong to the imports that claim them. They go once none of those may still need them;
a failed import keeps its own for a week, and can be retried until then. An import that nobody has
told or sent anything for a week, while it collects, is abandoned and cancelled.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, text, update
from sqlalchemy.orm import Session

from backend import clock
from backend.blobs import BlobStore
from backend.catalogue.naming import check_name, kind_of
from backend.catalogue.schemas import FileClaim, ImportCreate
from backend.catalogue.tables import Blob
from backend.errors import Conflict, NotFound, TooLarge
from backend.jobs import service as jobs
from backend.jobs.broker import Queue
from backend.jobs.noting import note_asked
from backend.jobs.schemas import RELEASED
from backend.jobs.tables import ImportFile, Job

KIND = "ingest"
KEPT = timedelta(days=7)
RELEASED_AT_ONCE = 500
READ_AT_ONCE = 1000


def open_import(session: Session, queue: Queue, request: ImportCreate, actor: str) -> Job:
    """A new import that collects files."""
    parameters = request.model_dump(mode="json")
    job = jobs.create(
        session, queue, kind=KIND, actor=actor, parameters=parameters, collecting=True
    )
    _hold(session, job.id)
    return job


def claim_files(
    session: Session, job_id: str, files: Sequence[FileClaim], max_bytes: int
) -> list[str]:
    """Note which files belong to an import; the SHA-256 of those it has no bytes of as yet.

    The caller looks outside the transaction which of these are staged, and notes that with
    `mark_received`; claimed first, they are not taken away in between.

    Raises:
        NotFound: if there is no such import.
        Conflict: if it does not collect any more.
        InvalidInput: for a name that is not a relative path inside the import.
        TooLarge: for a file of more than `max_bytes`.
    """
    _hold(session, job_id)
    _collecting(session, job_id)
    claims = {check_name(claim.name): claim for claim in files}
    for name, claim in claims.items():
        if claim.size > max_bytes:
            raise TooLarge(
                f"{name} has {claim.size:,} bytes, and {max_bytes:,} are allowed: send it in "
                "smaller parts, or raise AKIN_MAX_UPLOAD_BYTES."
            )
    rows = _rows(session, job_id, claims)
    # A zip or manifest is read itself, also where the same bytes are a stored picture (a polyglot).
    pictures = {claim.sha256 for name, claim in claims.items() if kind_of(name) == "picture"}
    known = _known(session, pictures)
    for name, claim in claims.items():
        row = rows.get(name)
        if row is None or row.sha256 != claim.sha256:
            row = _new_row(job_id, claim)
        row.received = row.received or (claim.sha256 in known and kind_of(name) == "picture")
        rows[name] = session.merge(row)
    return list(dict.fromkeys(row.sha256 for row in rows.values() if not row.received))


def mark_received(
    session: Session, job_id: str, sha256s: Collection[str], *, size: int | None = None
) -> None:
    """Note that the bytes of claimed files are staged, and their size where it was counted."""
    _hold(session, job_id)
    mine = (ImportFile.job_id == job_id, ImportFile.sha256.in_(sha256s))
    counted = {} if size is None else {"size": size}
    session.execute(update(ImportFile).where(*mine).values(received=True, **counted))


def mark_missing(session: Session, job_id: str, sha256s: Collection[str]) -> None:
    """Note that the bytes of claimed files are needed after all."""
    mine = (ImportFile.job_id == job_id, ImportFile.sha256.in_(sha256s))
    session.execute(update(ImportFile).where(*mine).values(received=False))


def check_claimed(session: Session, job_id: str, sha256: str) -> None:
    """Whether an import waits for bytes of this hash.

    Raises:
        NotFound: if there is no such import, or it claims no such file.
        Conflict: if it does not collect any more.
    """
    _collecting(session, job_id)
    mine = (ImportFile.job_id == job_id, ImportFile.sha256 == sha256)
    if session.scalar(select(ImportFile.name).where(*mine).limit(1)) is None:
        raise NotFound(
            f"Import {job_id} has not been told of a file with the SHA-256 {sha256}: claim it "
            "first."
        )


def start(session: Session, queue: Queue, job_id: str, actor: str = "akin") -> Job:
    """Queue an import that has all its files.

    Raises:
        NotFound: if there is no such import.
        Conflict: if it was started before, holds no file, or lacks the bytes of one.
    """
    _collecting(session, job_id)
    files = select(func.count(), func.min(ImportFile.name)).where(ImportFile.job_id == job_id)
    count = session.execute(files).one()[0]
    if count == 0:
        raise Conflict(f"Import {job_id} holds no files: claim and send some, then start it.")
    missing, first = session.execute(files.where(~ImportFile.received)).one()
    if missing:
        lacking = "1 file" if missing == 1 else f"{missing:,} files"
        raise Conflict(
            f"Import {job_id} still lacks the bytes of {lacking}, first {first}: send what is "
            "missing, then start it."
        )
    job = jobs.start(session, queue, job_id)
    note_asked(session, job, actor, files=count)
    return job


def files_of(session: Session, job_id: str) -> Iterator[FileClaim]:
    """The files of an import, in no order; read a page at a time, for there may be many."""
    theirs = select(ImportFile.name, ImportFile.sha256, ImportFile.size)
    rows = session.execute(
        theirs.where(ImportFile.job_id == job_id).execution_options(yield_per=READ_AT_ONCE)
    )
    return (FileClaim(name=row.name, sha256=row.sha256, size=row.size) for row in rows)


def release_staged(session: Session, blobs: BlobStore, ending: str | None = None) -> bool:
    """Forget files of imports that are over, and their staged bytes; whether there are more.

    Abandoned imports are cancelled first, and so are over.

    ending: a job that is about to be done. The bytes go inside the transaction, against the rule:
    else an import that claims them at the same moment could be told that they are there.
    """
    hold_claims(session)
    _cancel_abandoned(session)
    over = _over(ending)
    files = select(ImportFile).join(Job, Job.id == ImportFile.job_id)
    found = session.scalars(files.where(over).limit(RELEASED_AT_ONCE)).all()
    job_ids = _end_retries(session, {row.job_id for row in found}, over)
    rows = [row for row in found if row.job_id in job_ids]
    unstage_unclaimed(session, blobs, {row.sha256 for row in rows}, ending)
    # One job at a time, since SQLite has no index search for lists of pairs.
    for job_id in job_ids:
        names = [row.name for row in rows if row.job_id == job_id]
        theirs = (ImportFile.job_id == job_id, ImportFile.name.in_(names))
        session.execute(delete(ImportFile).where(*theirs))
    return len(found) == RELEASED_AT_ONCE


def unstage_unclaimed(
    session: Session, blobs: BlobStore, sha256s: Collection[str], ending: str | None = None
) -> None:
    """Remove those staged bytes that no import may still need, other than the one `ending`."""
    hold_claims(session)
    for sha256 in unclaimed(session, sha256s, ending):
        blobs.unstage(sha256)


def hold_claims(session: Session) -> None:
    """Nobody claims a file before the commit: who has claimed one before is seen, and who does so
    later finds out that its bytes are gone. SQLite has one writer at a time anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE import_files IN SHARE ROW EXCLUSIVE MODE"))


def unclaimed(session: Session, sha256s: Collection[str], ending: str | None = None) -> set[str]:
    """Those that no import may still need, other than the one `ending`."""
    claimed = select(ImportFile.sha256).join(Job, Job.id == ImportFile.job_id)
    needed = session.scalars(claimed.where(~_over(ending), ImportFile.sha256.in_(sha256s)))
    return set(sha256s) - set(needed)


def _hold(session: Session, job_id: str) -> None:
    """Something came for the import: it is not abandoned for another week.

    That is its lease, the sender's, until a worker may take one.
    """
    mine = (Job.id == job_id, Job.state == "collecting")
    session.execute(update(Job).where(*mine).values(lease_until=clock.now() + KEPT))


def _cancel_abandoned(session: Session) -> None:
    overdue = select(Job).where(Job.state == "collecting", Job.lease_until < clock.now())
    for job in session.scalars(overdue.with_for_update(skip_locked=True)).all():
        jobs.cancel(session, job.id).error = _ABANDONED


def _end_retries(session: Session, job_ids: Collection[str], over: ColumnElement[bool]) -> set[str]:
    """Those that are over still, and stay so; a retry that lacks some files would leave them out
    without a word, unless each had become an item before."""
    theirs = select(Job).where(Job.id.in_(job_ids), over).order_by(Job.id).with_for_update()
    jobs_over = session.scalars(theirs.execution_options(populate_existing=True)).all()
    for job in jobs_over:
        if job.state == "failed" or (job.state == "cancelled" and job.total is None):
            job.result = {**job.result, RELEASED: True}
    return {job.id for job in jobs_over}


def _over(ending: str | None) -> ColumnElement[bool]:
    long_ago = clock.now() - KEPT
    return or_(
        Job.id == ending,
        Job.state.in_(("done", "cancelled")),
        and_(Job.state == "failed", Job.finished_at < long_ago),
    )


def _collecting(session: Session, job_id: str) -> None:
    job = session.get(Job, job_id)
    if job is None or job.kind != KIND:
        raise NotFound(f"There is no import {job_id}: open one first.")
    if job.state != "collecting":
        raise Conflict(f"Import {job_id} is {job.state} and takes no more files: open another.")


def _rows(session: Session, job_id: str, names: Collection[str]) -> dict[str, ImportFile]:
    query = select(ImportFile).where(ImportFile.job_id == job_id, ImportFile.name.in_(names))
    return {row.name: row for row in session.scalars(query)}


def _known(session: Session, sha256s: Collection[str]) -> set[str]:
    return set(session.scalars(select(Blob.sha256).where(Blob.sha256.in_(sha256s))))


def _new_row(job_id: str, claim: FileClaim) -> ImportFile:
    return ImportFile(
        job_id=job_id, name=claim.name, sha256=claim.sha256, size=claim.size, received=False
    )


_ABANDONED = "Nothing came for this import for a week, so it was cancelled: send its files anew."
