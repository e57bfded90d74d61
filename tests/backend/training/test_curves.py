"""Curves and log of a training job in SQL: bounded, thinned, and honest about a resumed run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from backend.database import Database
from backend.jobs import service
from backend.jobs.broker import Queue
from backend.training.curves import LOG_LINES, _thinned, add_log, add_points, curves, log_lines
from backend.training.schemas import PointOut


def point(step: int, loss: float | None = 1.0, **figures: float | None) -> PointOut:
    return PointOut(step=step, epoch=step / 10, loss=loss, lr=0.1, seconds=step, figures=figures)


@pytest.fixture
def job(database: Database, queue: Queue) -> str:
    with database.write() as session:
        return service.create(session, queue, kind="ingest", actor="ann").id


def add(database: Database, job: str, *points: PointOut) -> None:
    with database.write() as session:
        add_points(session, job, points)


def read(database: Database, job: str, after: int = 0, limit: int = 100):
    with database.read() as session:
        return curves(session, job, after=after, limit=limit)


def test_points_come_back_as_they_were_told(database: Database, job: str) -> None:
    points = [point(1, 2.5), point(2, None), point(3, 0.5, **{"R@10": 71.5, "MRR": None})]
    add(database, job, *points)
    found = read(database, job)
    assert found.points == points
    assert found.last_step == 3


def test_a_resumed_run_tells_what_lies_behind_its_checkpoint_again(
    database: Database, job: str
) -> None:
    add(database, job, *(point(step, 9.0) for step in range(1, 8)))
    add(database, job, point(5, 1.0), point(6, 2.0))
    found = read(database, job)
    assert [(one.step, one.loss) for one in found.points] == [
        (1, 9), (2, 9), (3, 9), (4, 9), (5, 1), (6, 2)
    ]  # fmt: skip
    assert read(database, job, after=7).last_step == 6  # who had seen step 7 learns of it


def test_who_polls_gets_what_is_new(database: Database, job: str) -> None:
    add(database, job, *(point(step) for step in range(1, 6)))
    assert [one.step for one in read(database, job, after=3).points] == [4, 5]
    assert read(database, job, after=5).points == []


def test_many_points_are_thinned_and_those_with_figures_last(database: Database, job: str) -> None:
    measured = {100, 200, 300, 400, 500}
    every = (point(n, **({"R@1": 1.0} if n in measured else {})) for n in range(1, 501))
    add(database, job, *every)
    found = read(database, job, limit=20).points
    assert len(found) == 20
    assert {one.step for one in found if one.figures} == measured
    assert found[-1].step == 500


@given(some.lists(some.integers(0, 10_000), unique=True).map(sorted), some.integers(1, 50))
def test_thinning_keeps_order_bound_and_end(steps: list[int], limit: int) -> None:
    kept = _thinned(steps, limit)
    assert len(kept) == min(limit, len(steps))
    assert kept == sorted(set(kept))
    assert set(kept) <= set(steps)
    assert kept[-1:] == steps[-1:]


def test_the_log_shows_its_end_and_keeps_a_thousand_lines(database: Database, job: str) -> None:
    with database.write() as session:
        add_log(session, job, [f"line {n}" for n in range(1, 801)])
    with database.write() as session:
        add_log(session, job, [f"line {n}" for n in range(801, 1_201)])
    with database.read() as session:
        end = log_lines(session, job, after=0, limit=2).lines
        assert [(one.number, one.text) for one in end] == [
            (1_199, "line 1199"), (1_200, "line 1200")
        ]  # fmt: skip
        assert len(log_lines(session, job, after=0, limit=5_000).lines) == LOG_LINES
        assert [one.number for one in log_lines(session, job, after=1_198, limit=9).lines] == [
            1_199, 1_200
        ]  # fmt: skip
