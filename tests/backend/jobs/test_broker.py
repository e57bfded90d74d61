"""Messages are wake-ups: small, by name, each kind to its queue."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
from kombu.exceptions import OperationalError
from redis.exceptions import TimeoutError as SilentRedis

from backend.errors import Unavailable
from backend.jobs import broker
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


@pytest.fixture
def frozen(monkeypatch) -> Iterator[Queue]:
    """A queue over a Redis whose machine takes connections and says nothing, as a frozen one."""
    monkeypatch.setattr(broker, "ANSWER_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        queue = Queue(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        yield queue
        queue.close()


ASKED: list[Callable[[Queue], Any]] = [
    lambda queue: queue.messages("io"),
    Queue.eviction_policy,
    Queue.workers,
]


@pytest.mark.parametrize("ask", ASKED)
def test_a_frozen_redis_is_one_that_does_not_answer(frozen: Queue, ask) -> None:
    with pytest.raises(OperationalError, match="Timeout"):
        ask(frozen)


def test_a_frozen_redis_holds_no_request_up(frozen: Queue) -> None:
    frozen.send("embed", "job-1")
    with pytest.raises(Unavailable, match="does not answer: check AKIN_BROKER_URL"):
        frozen.ping()


def test_one_that_freezes_later_is_told_the_same(queue: Queue, monkeypatch) -> None:
    def silent(*_: object) -> None:
        raise SilentRedis("Timeout reading from socket")

    monkeypatch.setattr("kombu.entity.Queue.queue_declare", silent)
    with pytest.raises(OperationalError, match="Timeout reading from socket"):
        queue.messages("io")


def test_a_worker_s_read_ends_before_it_counts_as_silence() -> None:
    """Redis answers one that waits for a message after a second at the latest (BRPOP)."""
    with Queue("redis://127.0.0.1:1/0").app.connection_for_read() as connection:
        transport = connection.get_transport_cls()
        assert connection.transport_options["socket_timeout"] >= 2 * transport.brpop_timeout
