"""What a training job says while it runs: the points of its curves, and its log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Double, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Json, Moment


class TrainingPoint(Base):
    """Loss and figures at a step; a run that resumes tells those behind its checkpoint again."""

    __tablename__ = "training_points"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    epoch: Mapped[float] = mapped_column(Double)
    loss: Mapped[float | None] = mapped_column(Double)
    """The mean since the point before; None where it was no number."""
    lr: Mapped[float] = mapped_column(Double)
    seconds: Mapped[float] = mapped_column(Double)
    """Of training, over all segments."""
    figures: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    """On the choosing set, in percent, where they were measured at this step."""
    measured: Mapped[bool] = mapped_column(default=False)


class TrainingLogLine(Base):
    """A sentence of a job's log; the newest thousand are kept."""

    __tablename__ = "training_log"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment)
