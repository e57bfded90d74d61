"""The rounds that keep an installation healthy."""

from __future__ import annotations

from backend.jobs import lease, service
from backend.runtime import Runtime
from tests.conftest import MovableClock
from workers.maintenance import SWEEP, schedule


def test_beat_asks_for_a_round_every_fifteen_seconds(runtime: Runtime, clock: MovableClock) -> None:
    with runtime.database.write() as session:
        job_id = service.create(session, runtime.queue, kind="ingest", actor="ann").id
        lease.claim(session, job_id, "gone")
    schedule(runtime.queue.app, runtime)
    (entry,) = runtime.queue.app.conf.beat_schedule.values()
    assert (entry["task"], entry["schedule"]) == (SWEEP, 15.0)

    clock.advance(lease.LEASE_SECONDS)
    runtime.queue.app.tasks[SWEEP]()

    with runtime.database.read() as session:
        assert service.get(session, job_id).state == "queued"
