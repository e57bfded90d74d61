"""Several processes that migrate one PostgreSQL database at the same moment."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from backend.database import Database
from backend.migrating import COMMAND, check

ROOT = Path(__file__).parents[2]
_LOCK = "SELECT pg_advisory_xact_lock(%s)"
_WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
_AKIN = 0x616B696E


def migrating(url: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "AKIN_DATABASE_URL": url}
    command = [sys.executable, *COMMAND.split()[1:]]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.long
def test_one_migrates_and_the_other_waits_and_goes_on(scratch_postgres_url: str) -> None:
    address = make_url(scratch_postgres_url).set(drivername="postgresql")
    server = psycopg.connect(address.render_as_string(hide_password=False))
    with server:
        server.execute(_LOCK, [_AKIN])  # as long as it is held, both wait
        both = [migrating(scratch_postgres_url) for _ in range(2)]
        until = time.monotonic() + 60
        while server.execute(_WAITING).fetchone() != (2,):
            assert time.monotonic() < until, [child.poll() for child in both]
            time.sleep(0.1)
        server.commit()  # lets them go, one after the other
        ends = [(child.communicate(timeout=120), child.returncode) for child in both]
    # To make the same tables a second time would have failed.
    assert [code for _, code in ends] == [0, 0], ends
    database = Database(scratch_postgres_url)
    check(database)
    database.close()
