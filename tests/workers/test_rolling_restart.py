"""Workers that are replaced in the middle of their work: real Celery processes over Redis and
PostgreSQL, told to stop (SIGTERM) one after the other. What was finished is neither lost nor done
again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from backend.catalogue.schemas import FileClaim, ImportCreate
from backend.catalogue.sources import collect, sha256_of
from backend.jobs.tables import Job, JobItem
from tests.end_to_end.server import free_port
from tests.end_to_end.server_profile import ServerProfile
from workers.datasets.wardrobe.dataset import write_dataset

pytestmark = [pytest.mark.slow, pytest.mark.services]

PRODUCTS = 120
BATCH = 8


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[ServerProfile]:
    settings = {"AKIN_EMBED_BATCH": str(BATCH)}
    with ServerProfile(tmp_path / "profile", workers=2, settings=settings) as profile:
        yield profile


def encoded(profile: ServerProfile) -> int:
    """How many pictures all workers together have encoded, over all their starts."""
    lines = [line for name in profile.worker_names for line in profile.log(name).splitlines()]
    told = [json.loads(line) for line in lines if line.startswith("{")]
    return sum(line["images"] for line in told if line["event"] == "encoded")


def test_a_rolling_restart_loses_nothing_and_repeats_nothing(profile, tmp_path):
    folder = tmp_path / "wardrobe"
    write_dataset(folder, PRODUCTS, seed=3, size=48)
    with profile.client() as client:
        sources = {sha256_of(s.path): s for s in collect([folder / "products.csv"])}
        job = client.open_import(ImportCreate())
        claims = [FileClaim(name=s.name, sha256=sha, size=s.size) for sha, s in sources.items()]
        for sha256 in client.claim_files(job.id, claims):
            client.send_file(job.id, sha256, sources[sha256].path)
        client.start_import(job.id)
        restarts = 0
        while client.summary().embedded < PRODUCTS and restarts < 4:
            name = profile.worker_names[restarts % 2]
            before = client.summary().embedded
            profile.wait_until(lambda seen=before: client.summary().embedded > seen)
            assert profile.stop(name) == {name: 0}, profile.story()
            profile.start(name)
            restarts += 1
        profile.wait_until(lambda: client.job(job.id).finished, 240)
        profile.wait_until(lambda: client.summary().embedded == PRODUCTS, 240)
        assert client.job(job.id).result["created"] == PRODUCTS
    assert restarts >= 2
    (gallery,) = profile.galleries().names()
    assert profile.galleries().open(gallery).count() == PRODUCTS
    database = profile.database()
    with database.read() as session:
        jobs = session.scalars(select(Job)).all()
        items = session.scalar(select(func.count()).select_from(JobItem)) or 0
    database.close()
    assert all(one.attempts <= 1 and one.error is None for one in jobs), profile.story()
    assert items == PRODUCTS
    assert encoded(profile) == PRODUCTS, "a finished batch was encoded again, or one is missing"


def test_a_worker_shows_its_metrics_where_it_is_told_to(tmp_path):
    port = free_port()
    settings = {"AKIN_METRICS_PORT": str(port)}
    with ServerProfile(tmp_path / "profile", workers=1, settings=settings) as profile:
        url = f"http://127.0.0.1:{port}/metrics"

        def shown() -> str:
            try:
                return httpx.get(url).text
            except httpx.TransportError:
                return ""

        profile.wait_until(lambda: "akin_job_seconds" in shown())
