"""Two API processes and three workers take in 2,000 images while workers are killed every few
seconds, and Redis and PostgreSQL, which are the test's own, are restarted once each."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import func, select

from backend.catalogue.tables import Image
from backend.client import AkinClient
from backend.errors import AkinError
from backend.registry.tables import Embedding
from tests.backend.search.shop import write_tiny_backbone
from tests.end_to_end.killing.installations import count_encoded
from tests.end_to_end.postgres_process import PostgresProcess
from tests.end_to_end.server_profile import ServerProfile
from tests.end_to_end.test_killed import begin_import
from workers.datasets.wardrobe.dataset import write_dataset

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.timeout(3600)]

IMAGES = 2_004  # whole families of six
LONGEST_CALM = 6.0
"""Seconds between one kill and the next."""


@dataclass
class Course:
    """How one run went."""

    seconds: float = 0.0
    encoded: int = 0
    encoders: int = 0
    """How many workers encoded something."""
    killed: list[str] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("storm") / "wardrobe"
    write_dataset(folder, IMAGES, seed=11, size=96)
    return folder / "images"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    tiny = write_tiny_backbone(tmp_path_factory.mktemp("models") / "tiny")
    return {
        "AKIN_BACKBONE": f"local-dir:{tiny}",
        "AKIN_EMBED_BATCH": "16",
        "AKIN_RECONCILE_HOUR": "off",
        "OMP_NUM_THREADS": "1",
    }


def test_every_image_has_one_point_and_none_is_lost(tmp_path, pictures, settings, capsys):
    seed = int(os.environ.get("AKIN_TEST_SEED", random.randrange(10**6)))
    calm = run(tmp_path / "calm", pictures, settings, lambda *_: None)
    storm = run(tmp_path / "storm", pictures, settings, Storm(random.Random(seed)))
    with capsys.disabled():
        sys.stdout.write(f"\n{table(calm, storm)}\nAKIN_TEST_SEED={seed}\n")
    assert storm.restarted == ["redis", "postgres"]
    assert len(storm.killed) >= 5
    assert calm.encoded == IMAGES
    assert storm.encoded >= IMAGES


class Storm:
    """Called again and again while the images come in: kills a worker, brings it back, and
    restarts Redis once a third of them is there, PostgreSQL at two thirds."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._next = time.monotonic() + 2
        self._killed: str | None = None

    def __call__(self, profile: ServerProfile, embedded: int, course: Course) -> None:
        if embedded >= IMAGES // 3 and "redis" not in course.restarted:
            profile.kill("redis")
            profile.start("redis")
            course.restarted.append("redis")
        if embedded >= 2 * IMAGES // 3 and "postgres" not in course.restarted:
            assert profile.own_postgres is not None
            profile.own_postgres.restart()
            course.restarted.append("postgres")
        if time.monotonic() < self._next:
            return
        if self._killed is not None:
            profile.start(self._killed)
        self._killed = self._chance.choice(profile.worker_names)
        if self._killed in profile.running:
            profile.kill(self._killed)
            course.killed.append(self._killed)
        self._next = time.monotonic() + self._chance.uniform(1, LONGEST_CALM)

    def revive(self, profile: ServerProfile) -> None:
        """Start what the last gust took."""
        if self._killed is not None:
            profile.start(self._killed)
            self._killed = None


def run(
    folder: Path,
    pictures: Path,
    settings: dict[str, str],
    gust: Callable[[ServerProfile, int, Course], None],
) -> Course:
    """Bring all pictures into a new installation; how it went, once everything agrees."""
    course = Course()
    with (
        PostgresProcess() as postgres,
        ServerProfile(
            folder, workers=3, apis=2, settings=settings, own_postgres=postgres
        ) as profile,
    ):
        begun = time.monotonic()
        with profile.client() as client:
            job = begin_import(client, pictures)
        while embedded_at(profile) < IMAGES:
            gust(profile, embedded_at(profile), course)
            assert time.monotonic() - begun < 1800, profile.story()
            time.sleep(0.1)
        course.seconds = time.monotonic() - begun
        if isinstance(gust, Storm):
            gust.revive(profile)
        profile.wait_until(lambda: is_done(profile, job.id), 300)
        agrees(profile)
        encoded = [count_encoded(profile.log(name)) for name in profile.worker_names]
        course.encoded, course.encoders = sum(encoded), sum(one > 0 for one in encoded)
    return course


def embedded_at(profile: ServerProfile) -> int:
    """As either API says; what both cannot say just now is nothing."""
    for name in profile.api_names:
        with suppress(AkinError), AkinClient(profile.url_of(name), timeout=10) as client:
            return client.summary().embedded
    return 0


def is_done(profile: ServerProfile, job_id: str) -> bool:
    with suppress(AkinError), profile.client("api-2") as client:
        jobs = client.jobs(limit=200).items
        assert client.job(job_id).state != "failed", client.job(job_id).error
        return all(job.finished for job in jobs)
    return False


def agrees(profile: ServerProfile) -> None:
    """As many images as pictures, one point each, and no other."""
    with profile.client() as client:
        gallery = profile.galleries().open(client.galleries().galleries[0].id)
        failed = [job.error for job in client.jobs(state="failed", limit=200).items]
    database = profile.database()
    with database.read() as session:
        images = set(session.scalars(select(Image.id)))
        noted = session.scalar(select(func.count()).select_from(Embedding))
    database.close()
    assert failed == []
    assert len(images) == noted == IMAGES
    points: list[str] = []
    while page := gallery.scroll(points[-1] if points else None, 1_000):
        points += page
    assert len(points) == IMAGES
    assert set(points) == images


def table(calm: Course, storm: Course) -> str:
    """The figures, for people."""
    rows = [
        ("", "undisturbed", "storm"),
        ("seconds until all are embedded", f"{calm.seconds:.0f}", f"{storm.seconds:.0f}"),
        ("workers killed", "0", str(len(storm.killed))),
        ("restarted", "-", ", ".join(storm.restarted)),
        ("workers that encoded", str(calm.encoders), str(storm.encoders)),
        ("encodings beyond one an image", *(str(one.encoded - IMAGES) for one in (calm, storm))),
    ]
    return "\n".join(f"{a:34}{b:>14}{c:>18}" for a, b, c in rows)
