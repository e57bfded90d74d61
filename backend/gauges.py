"""What Prometheus is told about the whole installation: read from SQL and the gallery store.

It costs queries, so it is read when somebody scrapes, and at most once in ten seconds however many
do. Where a part does not answer, its gauges are left out and `akin_part_up` says so. Where one
takes long, who comes meanwhile is told what was read last: scrapes must not take every thread.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

import structlog
from kombu.exceptions import OperationalError
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from backend import VERSION, clock
from backend.errors import AkinError
from backend.jobs.broker import QUEUES
from backend.jobs.counting import counts_by_state, queued_by_queue
from backend.registry.coverage import coverage
from backend.registry.deployments import newest
from backend.registry.service import galleries
from backend.runtime import Runtime

KEPT_SECONDS = 10.0

log = structlog.get_logger()


class Gauges(Collector):
    """The gauges of one installation, as one of its API processes sees it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._reading = threading.Lock()
        self._read: list[Metric] = []
        self._read_at: float | None = None
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """All gauges in Prometheus' text format."""
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing: else registering would already read everything."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What was read within the last ten seconds, or is read now; while another scrape reads,
        what was read before, which is nothing at first."""
        if self._reading.acquire(blocking=False):
            try:
                now = clock.monotonic()
                if self._read_at is None or now - self._read_at >= KEPT_SECONDS:
                    self._read, self._read_at = self._all(), clock.monotonic()
            finally:
                self._reading.release()
        yield from self._read

    def _all(self) -> list[Metric]:
        up = GaugeMetricFamily("akin_part_up", "Whether a part answers", labels=["part"])
        found: list[Metric] = [_build()]
        parts: dict[str, Callable[[], list[Metric]]] = {
            "database": self._from_database,
            "broker": self._from_broker,
            "gallery": self._from_gallery,
        }
        for part, read in parts.items():
            try:
                found += read()
                up.add_metric([part], 1)
            except (AkinError, SQLAlchemyError, OperationalError, OSError) as error:
                log.warning("gauges not read", part=part, error=str(error))
                up.add_metric([part], 0)
        return [*found, up]

    def _from_database(self) -> list[Metric]:
        jobs = GaugeMetricFamily("akin_jobs", "Jobs by kind and state", labels=["kind", "state"])
        length = GaugeMetricFamily("akin_queue_jobs", "Queued jobs by queue", labels=["queue"])
        oldest = GaugeMetricFamily(
            "akin_queue_oldest_seconds", "Age of the oldest queued job", labels=["queue"]
        )
        with self._runtime.database.read() as session:
            for (kind, state), count in counts_by_state(session).items():
                jobs.add_metric([kind, state], count)
            for queue, (count, since) in queued_by_queue(session).items():
                length.add_metric([queue], count)
                age = (clock.now() - since).total_seconds() if since else 0.0
                oldest.add_metric([queue], max(age, 0.0))
        return [jobs, length, oldest, *self._of_models()]

    def _of_models(self) -> list[Metric]:
        images = GaugeMetricFamily(
            "akin_gallery_images", "Images of the catalogue", labels=["gallery", "state"]
        )
        share = GaugeMetricFamily(
            "akin_gallery_coverage", "Share of the images a gallery holds", labels=["gallery"]
        )
        info = GaugeMetricFamily(
            "akin_active_version_info", "The version that answers", labels=["version", "gallery"]
        )
        deployment = GaugeMetricFamily("akin_deployment", "Number of the newest deployment")
        with self._runtime.database.read() as session:
            for gallery_id in [row.id for row in galleries(session)]:
                held = coverage(session, gallery_id)
                for state in ("embedded", "stale", "missing", "refused"):
                    images.add_metric([gallery_id, state], getattr(held, state))
                share.add_metric([gallery_id], held.share)
            active = newest(session)
        if active is not None:
            info.add_metric([active.version, active.gallery_id], 1)
            deployment.add_metric([], active.deployment)
        return [images, share, info, deployment]

    def _from_broker(self) -> list[Metric]:
        waiting = GaugeMetricFamily(
            "akin_queue_messages", "Messages that no worker has taken yet", labels=["queue"]
        )
        for queue in QUEUES:
            waiting.add_metric([queue], self._runtime.queue.messages(queue))
        return [waiting]

    def _from_gallery(self) -> list[Metric]:
        points = GaugeMetricFamily("akin_gallery_points", "Points in a gallery", labels=["gallery"])
        store = self._runtime.galleries
        for name in store.names():
            points.add_metric([name], store.open(name).count())
        return [points]


def _build() -> Metric:
    info = GaugeMetricFamily("akin_build_info", "What runs", labels=["version", "python"])
    info.add_metric([VERSION, sys.version.split()[0]], 1)
    return info
