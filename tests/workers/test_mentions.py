"""Sentences and sent files that name pictures which are gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from backend.catalogue.imports import hold_claims
from backend.database import Database
from backend.jobs import service
from backend.jobs.tables import Job
from backend.runtime import Runtime
from tests.backend.catalogue.stock import product, sha
from tests.workers.test_run import running
from workers import mentions
from workers.mentions import forget_mentions

GONE = sha(5)
NAMED, BLANK = f"images/{GONE}.png is lost.", "images/(deleted).png is lost."


def failed(runtime: Runtime, error: str = NAMED) -> str:
    """A training that failed with this sentence; its id."""
    with runtime.database.write() as session:
        job = service.create(session, runtime.queue, kind="train", actor="ann")
        job.state, job.error = "failed", error
        return job.id


def error_of(runtime: Runtime, job_id: str) -> str | None:
    with runtime.database.read() as session:
        return session.get_one(Job, job_id).error


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """What is asked of the database meanwhile."""
    asked: list[str] = []

    def note(*told: object) -> None:
        asked.append(str(told[2]))

    event.listen(database.engine, "before_cursor_execute", note)
    yield asked
    event.remove(database.engine, "before_cursor_execute", note)


def test_a_picture_that_is_gone_is_named_no_more(runtime: Runtime) -> None:
    job_id = failed(runtime, f"First {GONE}, then {sha(6)}.")
    with running(runtime, "embed") as run:
        forget_mentions(run, [GONE])
    assert error_of(runtime, job_id) == f"First (deleted), then {sha(6)}."


def test_sentences_are_not_read_where_all_pictures_are_still_shown(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        product(session, "CAP", 5)
    job_id = failed(runtime)
    with running(runtime, "embed") as run, statements(runtime.database) as asked:
        forget_mentions(run, [GONE])
        assert not any("training_log" in statement for statement in asked)
    assert error_of(runtime, job_id) == NAMED


def test_a_sentence_that_took_its_place_meanwhile_stays(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = failed(runtime)
    say_without = mentions._say_without

    def another_first(session: Session, *rest: object) -> None:
        session.execute(update(Job).where(Job.id == job_id).values(error="The disk is full."))
        say_without(session, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(mentions, "_say_without", another_first)
    with running(runtime, "embed") as run:
        forget_mentions(run, [GONE])
    assert error_of(runtime, job_id) == "The disk is full."


@pytest.mark.services
def test_whoever_ends_an_import_at_that_moment_is_not_in_its_way(
    runtime: Runtime, postgres_database: Database
) -> None:
    """Both lock jobs and the table of claims; in another order they would wait for each other."""
    runtime = replace(runtime, database=postgres_database)
    job_id = failed(runtime)
    with running(runtime, "embed") as run:
        other = threading.Thread(target=forget_mentions, args=(run, [GONE]))
        with runtime.database.write() as session:
            hold_claims(session)
            other.start()
            other.join(0.5)
            assert other.is_alive(), "it waits for the claims"
            session.scalars(select(Job).where(Job.id == job_id).with_for_update()).all()
        other.join(30)
    assert error_of(runtime, job_id) == BLANK
