"""The rounds that keep an installation healthy."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from backend.jobs import lease, service
from backend.jobs.tables import Job
from backend.runtime import Runtime
from tests.conftest import MovableClock
from workers.maintenance import SWEEP, ask_for_rounds, look_after, take_rounds


def test_beat_asks_for_a_round_every_fifteen_seconds(runtime: Runtime, clock: MovableClock) -> None:
    with runtime.database.write() as session:
        job_id = service.create(session, runtime.queue, kind="ingest", actor="ann").id
        lease.claim(session, job_id, "gone")
    take_rounds(runtime.queue.app, runtime)
    ask_for_rounds(runtime.queue.app)
    (entry,) = runtime.queue.app.conf.beat_schedule.values()
    assert (entry["task"], entry["schedule"]) == (SWEEP, 15.0)

    clock.advance(lease.LEASE_SECONDS)
    runtime.queue.app.tasks[SWEEP]()

    with runtime.database.read() as session:
        assert service.get(session, job_id).state == "queued"


def reconciliations(runtime: Runtime) -> int:
    with runtime.database.read() as session:
        return len(session.scalars(select(Job.id).where(Job.kind == "reconcile")).all())


def test_a_round_of_the_night_asks_for_a_reconciliation_once(
    runtime: Runtime, clock: MovableClock
) -> None:
    with runtime.database.write() as session:
        job_id = service.create(session, runtime.queue, kind="ingest", actor="ann").id
        service.cancel(session, job_id)
    look_after(runtime)
    assert reconciliations(runtime) == 0
    clock.advance(24 * 3600)
    for _ in range(3):
        look_after(runtime)
    assert reconciliations(runtime) == 1


@pytest.mark.parametrize("hour", ["off", 3])
def test_the_night_can_be_left_alone(
    runtime: Runtime, clock: MovableClock, hour: int | str
) -> None:
    runtime.settings.reconcile_hour = hour  # type: ignore[assignment]
    with runtime.database.write() as session:
        service.cancel(
            session, service.create(session, runtime.queue, kind="ingest", actor="ann").id
        )
    clock.advance(48 * 3600)
    look_after(runtime)
    assert reconciliations(runtime) == (0 if hour == "off" else 1)
