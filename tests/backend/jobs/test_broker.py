"""Messages are wake-ups: small, by name, each kind to its queue."""

from __future__ import annotations

from typing import get_args

from backend.jobs.broker import QUEUE_OF_KIND, QUEUES, Queue
from backend.jobs.schemas import JobKind


def test_every_kind_of_job_has_its_queue() -> None:
    assert set(QUEUE_OF_KIND) == set(get_args(JobKind))
    assert set(QUEUE_OF_KIND.values()) <= set(QUEUES)


def test_imports_and_embedding_wait_in_different_queues(queue: Queue) -> None:
    queue.send("ingest", "job-1")
    queue.send("ingest", "job-2")
    queue.send("embed", "job-3")
    assert (queue.waiting("ingest"), queue.waiting("embed")) == (2, 1)


def test_a_message_carries_the_job_id_and_nothing_else(queue: Queue) -> None:
    queue.send("ingest", "job-1")
    with queue.app.connection_for_write() as connection:
        message = queue.app.amqp.queues["io"](connection.default_channel).get(no_ack=True)
    arguments, keywords, _ = message.decode()
    assert message.headers["task"] == "akin.ingest"
    assert (arguments, keywords) == (["job-1"], {})


def test_the_queue_promises_what_the_design_relies_on(queue: Queue) -> None:
    conf = queue.app.conf
    assert conf.task_acks_late is False
    assert conf.task_ignore_result is True
    assert conf.result_backend is None
    assert conf.worker_pool == "threads"
