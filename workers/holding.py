"""What work on a job stands on, be it the whole job or a part of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy.orm import Session

from backend.runtime import Runtime


class Hold(Protocol):
    """A lease in the hands of a worker: a `Run` has the job's, a `Share` that of a part.

    What the methods raise is told there.
    """

    runtime: Runtime
    job_id: str
    kind: str
    subject: str | None
    parameters: Mapping[str, Any]

    def checkpoint(self) -> None:
        """Stop here if asked to; call it between batches."""

    def check(self) -> None:
        """See that the lease is ours at this moment."""

    def read(self) -> AbstractContextManager[Session]:
        """A read transaction."""

    def write(self) -> AbstractContextManager[Session]:
        """A write transaction that is kept only while the lease is ours."""

    def at_once(self, size: int) -> int:
        """How much to take on in one step: `size`, or less after ends in the midst of it."""

    def count(self, session: Session, *, done: int, failed: int = 0) -> None:
        """Add to what is done and, of that, refused; kept with the write transaction."""
