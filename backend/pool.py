"""How connections to PostgreSQL are kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pool:
    """Of one process. Times are in seconds, `statement_seconds` 0: no limit."""

    size: int = 10
    overflow: int = 20
    wait: float = 30
    recycle: int = 1800
    pre_ping: bool = True
    statement_seconds: float = 0
