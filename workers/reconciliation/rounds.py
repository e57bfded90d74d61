"""One round of reconciliation: what it may use, whether it mends, and how deep it looks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy.orm import Session

from backend import clock
from backend.runtime import Runtime
from workers.reconciliation.ledger import Ledger

PAGE = 2000  # rows or points in memory at a time, and between two looks whether to stop
PAGE_DEEP = 128
GRACE = timedelta(hours=1)  # a file comes before its row: so long it may be on its way
GRACE_ASIDE = timedelta(days=1)  # a large upload may take long to write


class Work(Protocol):
    """Who runs the round: a job under its lease, or a command that has the folder to itself."""

    def read(self) -> AbstractContextManager[Session]:
        """A read transaction."""

    def write(self) -> AbstractContextManager[Session]:
        """A write transaction."""

    def step(self, stage: str, done: int, total: int) -> None:
        """Say how far the round is, between two batches; may raise to stop it there."""


class Progress:
    """Adds up how far a round is."""

    def __init__(self, work: Work, total: int) -> None:
        self._work = work
        self._done = 0
        self._total = total

    def add(self, stage: str, count: int) -> None:
        """So many things more were compared; may raise to stop the round."""
        self._done = min(self._done + count, self._total)
        self._work.step(stage, self._done, self._total)


@dataclass(frozen=True)
class Round:
    """The parts to be brought into line."""

    runtime: Runtime
    work: Work
    ledger: Ledger
    mend: bool
    """Else it only looks: nothing is written."""
    deep: bool
    """Read every vector, payload and byte as well; else presence and sizes are compared."""
    alone: bool
    """No other process works on this installation: what is without an owner has none."""
    progress: Progress

    @property
    def page(self) -> int:
        """How many things are compared at a time."""
        return PAGE_DEEP if self.deep else PAGE

    def cutoff(self, grace: timedelta = GRACE) -> datetime:
        """Files written before this are not on their way to a row any more."""
        return clock.now() + timedelta(days=1) if self.alone else clock.now() - grace


class Directly:
    """Work of a command that holds the data folder, or only reads."""

    def __init__(self, runtime: Runtime, step: Callable[[str, int, int], None]) -> None:
        self.read = runtime.database.read
        self.write = runtime.database.write
        self.step = step
