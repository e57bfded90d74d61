"""The real in-process worker, from message to end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from backend.errors import InvalidInput, Unavailable
from backend.jobs import lease, service
from backend.jobs.schemas import JobOut
from backend.jobs.sweeping import sweep
from backend.runtime import Runtime
from tests.conftest import MovableClock
from workers.app import InProcessWorker, start_in_process
from workers.execution import BUG, execute
from workers.patience import Body
from workers.run import Run

Result = dict[str, Any]
Start = Callable[..., InProcessWorker]


@pytest.fixture
def start(runtime: Runtime) -> Iterator[Start]:
    """Starts workers with these bodies by kind, and stops them at the end."""
    started: list[InProcessWorker] = []

    def start_with(**bodies: Body) -> InProcessWorker:
        started.append(start_in_process(runtime, bodies))
        return started[-1]

    yield start_with
    for worker in started:
        worker.stop(10)


def new(runtime: Runtime, kind: str = "ingest", **fields) -> str:
    with runtime.database.write() as session:
        return service.create(session, runtime.queue, kind=kind, actor="ann", **fields).id


def seen(runtime: Runtime, job_id: str) -> JobOut:
    with runtime.database.read() as session:
        return service.to_schema(service.get(session, job_id))


def wait_for(runtime: Runtime, job_id: str, *states: str) -> JobOut:
    pause = threading.Event()
    for _ in range(200):
        job = seen(runtime, job_id)
        if job.state in states:
            return job
        pause.wait(0.05)
    return pytest.fail(f"still {job.state} after ten seconds, not {states}")


def run_once(runtime: Runtime, body: Body, job_id: str) -> JobOut:
    """What a worker does with one message, in this thread."""
    execute(runtime, "ingest", body, job_id, threading.Event())
    return seen(runtime, job_id)


def refuse(_: Run) -> Result:
    raise InvalidInput("The manifest has no column sku: add one.")


def break_down(_: Run) -> Result:
    rows: Result = {}
    return {"first": rows["missing"]}


def count_up(run: Run) -> Result:
    """Works in small batches for as long as it is let."""
    for done in range(1000):
        run.checkpoint()
        with run.write() as session:
            run.progress(session, stage="counting", done=done, total=1000)
        threading.Event().wait(0.01)
    return {}


def test_a_job_is_done_end_to_end(runtime: Runtime, start: Start) -> None:
    def greet(run: Run) -> Result:
        with run.write() as session:
            run.progress(session, stage="greeting", done=1, total=1)
        return {"hello": run.parameters["name"]}

    start(ingest=greet)
    job = wait_for(runtime, new(runtime, parameters={"name": "world"}), "done")
    assert (job.result, job.done, job.total, job.error) == ({"hello": "world"}, 1, 1, None)
    assert (job.attempts, job.stage, job.finished) == (1, None, True)


def test_jobs_that_were_queued_before_the_start_are_found(runtime: Runtime, start: Start) -> None:
    waiting = new(runtime)
    interrupted = new(runtime)
    with runtime.database.write() as session:
        lease.claim(session, interrupted, "the process before")
        lease.reclaim_all(session)
    with runtime.queue.app.connection_for_write() as connection:
        runtime.queue.app.amqp.queues["io"](connection.default_channel).purge()
    start(ingest=lambda _: {})
    wait_for(runtime, waiting, "done")
    assert wait_for(runtime, interrupted, "done").attempts == 2


def test_cancelling_stops_at_the_next_batch(runtime: Runtime, start: Start) -> None:
    start(ingest=count_up)
    job_id = new(runtime)
    wait_for(runtime, job_id, "running")
    with runtime.database.write() as session:
        service.cancel(session, job_id)
    job = wait_for(runtime, job_id, "cancelled")
    assert job.error is None
    assert job.done < 999


def test_shutting_down_gives_the_job_back_and_the_next_worker_takes_it(
    runtime: Runtime, start: Start
) -> None:
    first = start(ingest=count_up)
    job_id = new(runtime)
    wait_for(runtime, job_id, "running")
    assert first.stop(10) is True
    job = seen(runtime, job_id)
    assert (job.state, job.attempts) == ("queued", 0)
    start(ingest=lambda _: {"by": "the second"})
    assert wait_for(runtime, job_id, "done").result == {"by": "the second"}


def test_a_task_that_does_not_stop_in_time_is_reported(runtime: Runtime, start: Start) -> None:
    hold = threading.Event()

    def deaf(_: Run) -> Result:
        hold.wait(30)
        return {}

    worker = start(ingest=deaf)
    wait_for(runtime, new(runtime), "running")
    assert worker.stop(0.5) is False
    hold.set()
    assert worker.stop(10) is True


def test_imports_do_not_block_embedding(runtime: Runtime, start: Start) -> None:
    hold = threading.Event()

    def block(_: Run) -> Result:
        hold.wait(30)
        return {}

    start(ingest=block, embed=lambda _: {})
    imports = [new(runtime) for _ in range(6)]
    wait_for(runtime, imports[0], "running")
    wait_for(runtime, new(runtime, "embed", subject="g1"), "done")
    hold.set()
    for job_id in imports:
        wait_for(runtime, job_id, "done")


def test_a_told_failure_is_shown_to_the_user(runtime: Runtime) -> None:
    job = run_once(runtime, refuse, new(runtime))
    assert (job.state, job.error) == ("failed", "The manifest has no column sku: add one.")


def test_a_bug_shows_a_sentence_and_logs_the_traceback(runtime: Runtime) -> None:
    job_id = new(runtime)
    with capture_logs() as logs:
        job = run_once(runtime, break_down, job_id)
    assert (job.state, job.error) == ("failed", BUG)
    assert "KeyError" not in BUG
    assert any(entry["event"] == "job failed" and entry["exc_info"] for entry in logs)


def test_a_service_that_is_away_is_tried_again_later(runtime: Runtime, clock: MovableClock) -> None:
    def unreachable(_: Run) -> Result:
        raise Unavailable("Qdrant does not answer.")

    job_id = new(runtime)
    for attempt in range(1, lease.MAX_ATTEMPTS + 1):
        job = run_once(runtime, unreachable, job_id)
        assert (job.state, job.attempts, job.error) == (
            "running",
            attempt,
            "Qdrant does not answer.",
        )
        clock.advance(lease.LEASE_SECONDS)
        sweep(runtime.database, runtime.queue)
    assert seen(runtime, job_id).state == "failed"


def test_a_failed_job_runs_again_when_retried(runtime: Runtime) -> None:
    job_id = new(runtime)
    assert run_once(runtime, refuse, job_id).state == "failed"
    assert run_once(runtime, lambda _: {}, job_id).state == "failed"
    with runtime.database.write() as session:
        service.retry(session, runtime.queue, job_id)
    job = run_once(runtime, lambda _: {}, job_id)
    assert (job.state, job.error, job.attempts) == ("done", None, 1)


def test_a_doubled_message_changes_nothing(runtime: Runtime) -> None:
    runs: list[str] = []

    def body(run: Run) -> Result:
        runs.append(run.job_id)
        execute(runtime, "ingest", body, run.job_id, threading.Event())
        return {}

    job_id = new(runtime)
    assert run_once(runtime, body, job_id).state == "done"
    assert run_once(runtime, body, job_id).state == "done"
    execute(runtime, "ingest", body, "a job that is gone", threading.Event())
    assert runs == [job_id]


def test_a_worker_that_lost_its_lease_ends_without_a_trace(runtime: Runtime) -> None:
    def slow(run: Run) -> Result:
        with runtime.database.write() as session:
            lease.reclaim_all(session)
            assert lease.claim(session, run.job_id, "another") == 2
        with run.write() as session:
            run.progress(session, done=99)
        return {"by": "the first"}

    job = run_once(runtime, slow, new(runtime))
    assert (job.state, job.done, job.result) == ("running", 0, {})


def test_a_finish_by_the_body_is_the_only_one(runtime: Runtime) -> None:
    def finish_itself(run: Run) -> Result:
        assert run.finish({"by": "the body"})
        return {"by": "the base"}

    assert run_once(runtime, finish_itself, new(runtime)).result == {"by": "the body"}


def test_a_cancel_that_comes_too_late_leaves_the_job_done(runtime: Runtime) -> None:
    def deaf(run: Run) -> Result:
        with runtime.database.write() as session:
            service.cancel(session, run.job_id)
        return {"all": "done"}

    assert run_once(runtime, deaf, new(runtime)).state == "done"


def test_every_line_of_a_task_names_its_job(runtime: Runtime) -> None:
    contexts: list[Mapping[str, object]] = []

    def look(_: Run) -> Result:
        contexts.append(structlog.contextvars.get_contextvars())
        return {}

    job_id = new(runtime)
    run_once(runtime, look, job_id)
    assert contexts == [{"job": job_id, "kind": "ingest"}]
    assert structlog.contextvars.get_contextvars() == {}
