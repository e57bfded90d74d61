"""The message queue: a message is only a wake-up that carries a job id (DESIGN, reliability)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError, ResponseError

from backend.errors import Unavailable

QUEUES = ("io", "embed", "reembed", "train", "beat")
QUEUE_OF_KIND = {
    "ingest": "io",
    "embed": "embed",
    "reembed": "reembed",
    "reconcile": "io",
    "score": "embed",
    "train": "train",
    "evaluate": "train",
    "compare": "train",
}

ANSWER_SECONDS = 5.0
"""The longest wait for a word of Redis. Longer than the second that a worker's read takes there."""

_POLLING = {"polling_interval": 0.05}  # `memory://` cannot wake a reader, which sleeps in between

log = structlog.get_logger()


class Queue:
    """Where wake-ups are sent: Celery over Redis, or over the process's own memory.

    Messages are acknowledged early and there is no result backend: what a message was about, and
    whether it was done, stands in SQL only, and the sweeper sends again what was lost.
    """

    def __init__(self, broker_url: str) -> None:
        self.in_process = broker_url.startswith("memory://")
        self.app = Celery("akin", broker=broker_url, set_as_current=False)
        self.app.conf.update(
            task_default_queue="beat",
            task_routes={task_name(kind): queue for kind, queue in QUEUE_OF_KIND.items()},
            task_ignore_result=True,
            task_acks_late=False,
            worker_prefetch_multiplier=1,
            worker_hijack_root_logger=False,
            worker_redirect_stdouts=False,
            worker_enable_remote_control=not self.in_process,
            worker_pool="threads",  # CUDA and forked pools do not mix
            broker_connection_retry_on_startup=True,
            broker_transport_options=_POLLING if self.in_process else _no_waiting(),
        )

    def send(self, kind: str, job_id: str) -> None:
        """Wake a worker for this job. A broker that does not answer is only logged.

        The job is queued in SQL whatever happens here; the sweeper sends the message again.
        """
        try:
            self.app.send_task(task_name(kind), args=[job_id], retry=False)
        except OperationalError as error:
            log.warning("message not sent, the sweeper will", job=job_id, error=str(error))

    def waiting(self, kind: str) -> int:
        """How many messages no worker has taken yet in the queue that jobs of this kind go to.

        Raises:
            kombu.exceptions.OperationalError: if the broker does not answer.
        """
        return self.messages(QUEUE_OF_KIND[kind])

    def messages(self, queue: str) -> int:
        """How many messages no worker has taken yet in this queue; raises as `waiting` does."""
        with _told(), self.app.connection_for_write() as connection:
            declared = self.app.amqp.queues[queue](connection.default_channel)
            return int(declared.queue_declare().message_count)

    def ping(self) -> None:
        """Ask the broker for a connection; raises `Unavailable` if there is none to be had."""
        try:
            with self.app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, timeout=3)
        except (OperationalError, OSError) as error:
            raise Unavailable(
                "The message broker does not answer: check AKIN_BROKER_URL and that it runs."
            ) from error

    def eviction_policy(self) -> str | None:
        """What Redis does when its memory is full; None if it does not say.

        Raises:
            kombu.exceptions.OperationalError: if the broker does not answer.
        """
        with _told(), self.app.connection_for_read() as connection:
            redis = getattr(connection.default_channel, "client", None)
            try:
                told = redis.config_get("maxmemory-policy") if redis is not None else {}
            except ResponseError:  # a hosted one may forbid to ask
                return None
        return str(told["maxmemory-policy"]) if "maxmemory-policy" in told else None

    def served(self) -> set[str]:
        """The queues that some worker takes messages from, as far as workers answer in a second."""
        return set().union(*self.workers().values())

    def workers(self) -> dict[str, set[str]]:
        """The workers that answer in a second, by name, and the queues that each takes."""
        answers = self.app.control.inspect(timeout=1.0).active_queues() or {}
        return {name: {queue["name"] for queue in queues} for name, queues in answers.items()}

    def close(self) -> None:
        """Give the connections back."""
        self.app.close()


def _no_waiting() -> dict[str, object]:
    """A request must not hang on Redis, nor on one that is frozen or cut off and never said so."""
    return {
        "max_retries": 1,
        "interval_start": 0,
        "socket_connect_timeout": 2,
        "socket_timeout": ANSWER_SECONDS,
        "socket_keepalive": True,
    }


@contextmanager
def _told() -> Iterator[None]:
    """What Redis' client raises in the middle of a connection, as what it raises at its begin."""
    try:
        yield
    except RedisError as error:
        raise OperationalError(str(error)) from error


def task_name(kind: str) -> str:
    """The Celery task that does jobs of this kind."""
    return f"akin.{kind}"
