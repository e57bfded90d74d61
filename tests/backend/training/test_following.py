"""A version in training and its job: whatever happens to the one, the other agrees."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from backend import clock
from backend.composition.card import BackboneCard, ComposerCard, ModelCard
from backend.errors import Conflict
from backend.jobs import lease, service
from backend.jobs.tables import Job
from backend.registry.in_training import finish_training
from backend.registry.lifecycle import delete
from backend.registry.tables import ModelVersion
from backend.runtime import Runtime
from backend.training import service as training
from backend.training.following import CANCELLED
from backend.training.schemas import TrainRequest, TripletData

VERSION_OF = {
    "queued": "training",
    "running": "training",
    "cancelling": "training",
    "done": "ready",
    "failed": "failed",
    "cancelled": "failed",
}


def ask(runtime: Runtime, **request: Any) -> str:
    wanted = TrainRequest(recipe="combiner", data=TripletData(), **request)
    with runtime.database.write() as session:
        return training.start(session, runtime.queue, wanted, {"batch": 2}, "ann").id


def found(runtime: Runtime, job_id: str) -> tuple[Job, ModelVersion]:
    with runtime.database.read() as session:
        job = service.get(session, job_id)
        return job, session.get_one(ModelVersion, job.subject)


class Life:
    """A training job in the hands of people and workers."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.job_id = ask(runtime)

    @property
    def state(self) -> str:
        return found(self.runtime, self.job_id)[0].state

    def claim(self) -> None:
        with self.runtime.database.write() as session:
            lease.claim(session, self.job_id, "a worker")

    def release(self) -> None:
        self._held(lease.release)

    def fail(self) -> None:
        self._held(lambda job: lease.fail(job, "No such data: bring some."))

    def expire(self) -> None:
        self._held(lease.expire)

    def finish(self) -> None:
        """What the task does in one transaction."""
        with self.runtime.database.write() as session:
            job = service.get(session, self.job_id)
            card = a_card(session.get_one(ModelVersion, job.subject))
            finish_training(session, str(job.subject), card, "a" * 64, {})
            lease.finish(job, {})

    def cancel(self) -> None:
        with self.runtime.database.write() as session:
            service.cancel(session, self.job_id)

    def retry(self) -> None:
        with self.runtime.database.write() as session:
            service.retry(session, self.runtime.queue, self.job_id)

    def _held(self, event: Any) -> None:
        with self.runtime.database.write() as session:
            event(service.get(session, self.job_id))


def a_card(version: ModelVersion) -> ModelCard:
    return ModelCard(
        name=version.name,
        recipe="combiner",
        backbone=BackboneCard.model_validate(version.backbone),
        fingerprint=version.fingerprint,
        text_fingerprint=version.text_fingerprint or "",
        dim=version.dim,
        composer=ComposerCard(kind="combiner"),
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_whatever_happens_both_agree(runtime: Runtime) -> None:
    class Lives(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.life = Life(runtime)

        def is_in(self, *states: str) -> bool:
            return self.life.state in states

        @precondition(lambda self: self.is_in("queued"))
        @rule()
        def claim(self) -> None:
            self.life.claim()

        @precondition(lambda self: self.is_in("running", "cancelling"))
        @rule()
        def release(self) -> None:
            self.life.release()

        @precondition(lambda self: self.is_in("running", "cancelling"))
        @rule()
        def fail(self) -> None:
            self.life.fail()

        @precondition(lambda self: self.is_in("running", "cancelling"))
        @rule()
        def expire(self) -> None:
            self.life.expire()

        @precondition(lambda self: self.is_in("running", "cancelling"))
        @rule()
        def finish(self) -> None:
            self.life.finish()

        @precondition(lambda self: self.is_in("queued", "running", "cancelling"))
        @rule()
        def cancel(self) -> None:
            self.life.cancel()

        @precondition(lambda self: self.is_in("failed", "cancelled"))
        @rule()
        def retry(self) -> None:
            self.life.retry()

        @precondition(lambda self: self.is_in("done"))
        @rule()
        def nothing_more(self) -> None:
            for late in (self.life.cancel, self.life.retry):
                with pytest.raises(Conflict):
                    late()

        @invariant()
        def agree(self) -> None:
            job, version = found(runtime, self.life.job_id)
            assert version.state == VERSION_OF[job.state]
            wanted = {"failed": job.error, "cancelled": CANCELLED}.get(job.state)
            assert version.error == wanted

    fast = settings(max_examples=10, stateful_step_count=12, deadline=None)
    Lives.TestCase.settings = fast
    Lives.TestCase().runTest()


def test_a_worker_that_dies_again_and_again_leaves_both_failed(runtime: Runtime) -> None:
    life = Life(runtime)
    for _ in range(lease.MAX_ATTEMPTS):
        life.claim()
        life.expire()
    job, version = found(runtime, life.job_id)
    assert (job.state, version.state) == ("failed", "failed")
    assert version.error == job.error
    assert "stopped 5 times in the middle" in (job.error or "")


def test_a_cancel_between_the_steps_says_so(runtime: Runtime) -> None:
    life = Life(runtime)
    life.cancel()
    job, version = found(runtime, life.job_id)
    assert (job.state, version.state, version.error) == ("cancelled", "failed", CANCELLED)
    life.retry()
    job, version = found(runtime, life.job_id)
    assert (job.state, version.state, version.error) == ("queued", "training", None)


def test_a_deleted_version_is_not_trained_on(runtime: Runtime) -> None:
    life = Life(runtime)
    life.cancel()
    with runtime.database.write() as session:
        subject = str(service.get(session, life.job_id).subject)
        delete(session, subject, actor="ann")
    with pytest.raises(Conflict, match="version that this job trained is deleted: start a new"):
        life.retry()
    with runtime.database.read() as session:
        assert service.get(session, life.job_id).state == "cancelled"


def test_the_leases_of_a_killed_process_are_reclaimed(runtime: Runtime) -> None:
    life = Life(runtime)
    life.claim()
    life.cancel()
    with runtime.database.write() as session:
        lease.reclaim_all(session)
    job, version = found(runtime, life.job_id)
    assert (job.state, version.error) == ("cancelled", CANCELLED)
    assert job.finished_at is not None
    assert job.finished_at <= clock.now()
