"""Failures that pass are waited for under the lease; others are not, and nobody waits for ever."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from kombu.exceptions import OperationalError
from sqlalchemy import exc

from backend.errors import InvalidInput, NoSpace, Unavailable
from backend.jobs import service
from backend.jobs.broker import Queue
from backend.jobs.tables import Job
from backend.metrics import JOB_RETRIES, JOB_SECONDS
from workers import patience
from workers.execution import execute
from workers.patience import LONGEST_SECONDS, RETRIES, may_pass, pause
from workers.run import Run

AWAY = [
    Unavailable("Qdrant does not answer."),
    ConnectionResetError("by the peer"),
    OperationalError("Redis is away"),
    exc.OperationalError("SELECT 1", {}, psycopg.OperationalError("the server closed it")),
    exc.TimeoutError("no connection in the pool"),
]
STAYS = [
    exc.OperationalError("SELECT 1", {}, psycopg.errors.QueryCanceled("statement timeout")),
    NoSpace("The disk is full."),
    InvalidInput("There is no column sku."),
    PermissionError(13, "Permission denied"),
    KeyError("a bug"),
    exc.IntegrityError("INSERT", {}, psycopg.IntegrityError("twice")),
]


def new(runtime) -> str:
    with runtime.database.write() as session:
        return service.create(session, runtime.queue, kind="ingest", actor="ann").id


def job(runtime, job_id):
    with runtime.database.read() as session:
        return session.get_one(Job, job_id)


@pytest.mark.parametrize("error", AWAY, ids=lambda one: type(one).__name__)
def test_a_service_that_is_back_soon_costs_no_attempt(runtime, error):
    tries: list[int] = []

    def body(_: Run):
        tries.append(1)
        if len(tries) < 3:
            raise error
        return {"good": True}

    before = JOB_RETRIES.labels("ingest")._value.get()
    job_id = new(runtime)
    execute(runtime, "ingest", body, job_id, threading.Event())
    found = job(runtime, job_id)
    assert (found.state, found.attempts, found.result) == ("done", 1, {"good": True})
    assert JOB_RETRIES.labels("ingest")._value.get() == before + 2


@pytest.mark.parametrize("error", STAYS, ids=lambda one: type(one).__name__)
def test_what_does_not_pass_is_not_tried_again(runtime, error):
    tries: list[int] = []

    def body(_: Run):
        tries.append(1)
        raise error

    execute(runtime, "ingest", body, new(runtime), threading.Event())
    assert len(tries) == 1
    assert not may_pass(error)


def test_a_service_that_stays_away_is_left_to_the_sweeper(runtime):
    tries: list[int] = []

    def body(_: Run):
        tries.append(1)
        raise AWAY[0]

    job_id = new(runtime)
    lapsed = JOB_SECONDS.labels("ingest", "lapsed")
    before = lapsed._sum.get()
    execute(runtime, "ingest", body, job_id, threading.Event())
    assert len(tries) == RETRIES + 1
    assert (job(runtime, job_id).state, job(runtime, job_id).error) == (
        "running",
        "Qdrant does not answer.",
    )
    assert lapsed._sum.get() > before


def test_who_waits_can_be_stopped(runtime, monkeypatch):
    monkeypatch.setattr(patience, "FIRST_SECONDS", 600.0)
    monkeypatch.setattr(patience, "LONGEST_SECONDS", 600.0)
    shutdown = threading.Event()

    def body(_: Run):
        threading.Timer(0.2, shutdown.set).start()
        raise AWAY[0]

    job_id, begun = new(runtime), time.monotonic()
    execute(runtime, "ingest", body, job_id, shutdown)
    assert time.monotonic() - begun < 30
    assert job(runtime, job_id).state == "queued"


@given(st.integers(0, RETRIES - 1))
def test_pauses_grow_within_bounds_and_are_never_all_the_same(number):
    pauses = {pause(number) for _ in range(20)}
    assert all(
        0 < one <= min(patience.FIRST_SECONDS * 2**number, LONGEST_SECONDS) for one in pauses
    )
    assert len(pauses) > 1


def test_a_job_is_known_by_the_request_it_goes_back_to(runtime):
    seen: list[dict[str, object]] = []

    def outer(run: Run):
        seen.append(structlog.contextvars.get_contextvars())
        with run.write() as session:
            service.create(session, Queue("memory://"), kind="embed", actor="ann", subject="g-1")
        return {}

    with structlog.contextvars.bound_contextvars(request="r-17"):
        job_id = new(runtime)
    execute(runtime, "ingest", outer, job_id, threading.Event())
    assert seen[0] == {"job": job_id, "kind": "ingest", "request": "r-17"}
    assert structlog.contextvars.get_contextvars() == {}
    with runtime.database.read() as session:
        made = [one for one in session.query(Job) if one.kind == "embed"]
    assert [one.request_id for one in made] == ["r-17"]
