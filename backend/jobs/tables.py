"""Jobs, the things inside a job, its parts, and the files an import has collected."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Json, Moment

JOB_STATES = ("collecting", "queued", "running", "cancelling", "cancelled", "done", "failed")
ITEM_STATES = ("pending", "done", "failed")


class Job(Base):
    """Anything long. The lease columns are the only authority to work on it."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(
            "state IN ('collecting', 'queued', 'running', 'cancelling', 'cancelled', 'done', "
            "'failed')",
            name="state",
        ),
        Index(None, "state", "kind"),
        Index(None, "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(10))
    subject: Mapped[str | None] = mapped_column(String(100))
    """What the job works on (a gallery id for embed); at most one live job a kind and subject."""
    parameters: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    result: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    error: Mapped[str | None] = mapped_column(Text)
    stage: Mapped[str | None] = mapped_column(String(40))
    done: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    total: Mapped[int | None]
    actor: Mapped[str] = mapped_column(String(100))

    request_id: Mapped[str | None] = mapped_column(String(100))
    """The `X-Request-ID` of the request that it goes back to, over other jobs too."""

    attempts: Mapped[int] = mapped_column(default=0)
    lease_token: Mapped[int] = mapped_column(default=0)
    """The fencing token: grows with each claim; a write under an older one is refused."""
    lease_holder: Mapped[str | None] = mapped_column(String(100))
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    """While an import collects: until when its sender is waited for."""

    created_at: Mapped[datetime] = mapped_column(Moment)
    queued_at: Mapped[datetime | None] = mapped_column(Moment)
    started_at: Mapped[datetime | None] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)


class JobItem(Base):
    """One line of a job's report: a file or manifest row of an import, an image of an embed job."""

    __tablename__ = "job_items"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'done', 'failed')", name="state"),
        Index(None, "job_id", "state", "position"),
        Index(None, "sku"),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(1000))
    """What the user calls it: a path inside the upload, a manifest's row, an image's SKU."""
    payload: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    state: Mapped[str] = mapped_column(String(7), default="pending")
    outcome: Mapped[str | None] = mapped_column(String(20))
    """created, updated, unchanged, skipped or refused."""
    reason: Mapped[str | None] = mapped_column(Text)
    """Why it was refused, in one sentence."""
    sku: Mapped[str | None] = mapped_column(String(200))
    """Of the product that the line is about, to find it once that product is deleted."""


class JobPart(Base):
    """A stretch of a live job's work, for one worker at a time; gone once it is done.

    Its lease is the only authority to work on it, whoever leads the job.
    """

    __tablename__ = "job_parts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """The order in which parts are taken."""
    first: Mapped[int]
    last: Mapped[int]
    """Both inclusive: positions of an import's items, numbers of an embed job's images."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Claims since it last got on; only the lead takes one that has some."""
    lease_token: Mapped[str | None] = mapped_column(String(36))
    """The fencing token: another with each claim, and never one that was there before."""
    lease_holder: Mapped[str | None] = mapped_column(String(100))
    lease_until: Mapped[datetime | None] = mapped_column(Moment)


class ImportFile(Base):
    """A file an import has been told of; its bytes are staged once `received`."""

    __tablename__ = "import_files"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(1000), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    received: Mapped[bool] = mapped_column(default=False)
