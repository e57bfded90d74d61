"""Who changed what, and when: a table that is only added to, as triggers see to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Json, Moment

# By its bytes, so that an index serves the beginning of an action whatever the server's locale.
Action = String(40).with_variant(String(40, collation="C"), "postgresql")


class AuditLine(Base):
    """One change of models, data or users, written in the change's own transaction."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index(None, "at", "id"),
        Index(None, "actor", "at", "id"),
        Index(None, "action", "at", "id"),
        Index(None, "subject_kind", "subject_id", "at", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(Moment)
    actor: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(Action)
    """What was done to what: `product.update`, `model.promote`."""
    subject_kind: Mapped[str] = mapped_column(String(40))
    subject_id: Mapped[str] = mapped_column(String(100))
    """Not a reference: the line stays when its subject is gone."""
    label: Mapped[str] = mapped_column(String(200))
    """What people know the subject by: a SKU, a version's name."""
    before: Mapped[dict[str, Any]] = mapped_column(Json)
    after: Mapped[dict[str, Any]] = mapped_column(Json)
    """Only the fields that changed; one that was not there before, or is gone, is on one side."""
    request_id: Mapped[str | None] = mapped_column(String(100))
    """The `X-Request-ID` that the request came with."""
