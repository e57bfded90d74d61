"""Seeing that sessions of PostgreSQL wait for each other, before a test goes on."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import text

from backend.database import Database

_WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = current_database()"""


def wait_for(database: Database, waiting: int) -> None:
    """Until so many sessions wait for a lock."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with database.read() as session:
            if session.scalar(text(_WAITING)) == waiting:
                return
        time.sleep(0.02)
    pytest.fail(f"never were {waiting} sessions waiting")
