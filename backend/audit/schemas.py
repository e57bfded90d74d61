"""What the HTTP API says about who changed what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class AuditLineOut(BaseModel):
    """One change."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    actor: str = Field(description="Who did it; `akin` for what nobody asked for.")
    action: str = Field(description="What was done to what, such as `product.update`.")
    subject_kind: str
    subject_id: str
    label: str = Field(description="What people know it by: a SKU, a version's name.")
    before: dict[str, Any] = Field(description="The fields that changed, as they were.")
    after: dict[str, Any] = Field(description="The same as they are since.")
    request_id: str | None = Field(description="The `X-Request-ID` of the request.")


class AuditFilter(BaseModel):
    """Which changes are meant: those to which everything that is given applies."""

    actor: str | None = None
    action: str | None = None
    """The action, or its beginning."""
    subject_kind: str | None = None
    subject_id: str | None = None
    since: datetime | None = None
    """From this moment on."""
    until: datetime | None = None
    """Before this moment."""

    def query(self) -> dict[str, str]:
        """The same as an URL's parameters."""
        names = {"since": "from", "until": "to"}
        given = self.model_dump(mode="json", exclude_none=True)
        return {names.get(name, name): value for name, value in given.items()}
