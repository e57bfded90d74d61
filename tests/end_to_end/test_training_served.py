"""Training over PostgreSQL and Redis, by workers of their own that share a folder of runs."""

from __future__ import annotations

import pytest

from backend.jobs.tables import Job
from backend.training.schemas import FolderData, TrainRequest
from tests.end_to_end.server_profile import ServerProfile

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.timeout(900)]

ENDLESS = {"batch": 20, "epochs": 999_999, "projection": 2, "hidden": 2}


def test_another_worker_goes_on_from_the_checkpoint_of_one_that_was_killed(
    tmp_path, catalogue, tiny
):
    settings = {
        "AKIN_BACKBONE": tiny,
        "AKIN_DATASETS": str(catalogue.parent),
        "AKIN_TRAINING_HOME": str(tmp_path / "runs"),
        "AKIN_TRAIN_SEGMENT_SECONDS": "3",
        "OMP_NUM_THREADS": "1",
    }
    with (
        ServerProfile(tmp_path / "profile", workers=2, settings=settings) as profile,
        profile.client() as client,
    ):
        request = TrainRequest(
            recipe="combiner", parameters=ENDLESS, data=FolderData(path="wardrobe")
        )
        job = client.train(request).id
        profile.wait_until(lambda: segments(client, job), 180)
        first = holder(profile, job)
        assert first is not None
        profile.kill(first)
        before = segments(client, job)
        profile.wait_until(lambda: holder(profile, job), 180)
        profile.wait_until(lambda: len(segments(client, job)) > len(before), 180)
        assert segments(client, job)[len(before)] > before[-1]
        assert client.job(job).error is None
        client.cancel_job(job)
        profile.wait_until(lambda: client.job(job).finished, 30)
        assert client.job(job).state == "cancelled"


def segments(client, job: str) -> list[int]:
    """The steps at which they ended, as the log tells."""
    texts = [one.text for one in client.training_log(job).lines]
    ends = [one for one in texts if one.startswith("A segment ended at step ")]
    return [int(one.rstrip(".").rpartition(" ")[2].replace(",", "")) for one in ends]


def holder(profile: ServerProfile, job: str) -> str | None:
    """The living worker that has the job's lease."""
    database = profile.database()
    try:
        with database.read() as session:
            held = session.get_one(Job, job).lease_holder
    finally:
        database.close()
    pids = {str(process.pid): name for name, process in profile.running.items()}
    return None if held is None else pids.get(held.rpartition(":")[2])
