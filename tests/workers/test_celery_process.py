"""How workers and beat of their own start, or say why they do not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
import redis
from structlog.testing import capture_logs

from backend.errors import SetupError
from backend.jobs.broker import Queue
from backend.settings import Settings
from tests import services
from workers.celery_process import beat_app, warn_of_eviction, worker_app
from workers.maintenance import SWEEP


@pytest.mark.parametrize("make", [worker_app, beat_app])
def test_without_a_broker_that_others_reach_there_is_none(make, tmp_path):
    with pytest.raises(SetupError, match="set AKIN_BROKER_URL to a Redis server"):
        make(Settings(home=tmp_path))


@pytest.mark.parametrize("module", ["workers.server worker", "workers.beat beat"])
def test_what_is_told_ends_the_process_with_its_sentence_alone(module, tmp_path):
    command = [sys.executable, "-m", "celery", "-A", *module.split()]
    environment = {**os.environ, "AKIN_HOME": str(tmp_path), "AKIN_BROKER_URL": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (sentence,) = done.stderr.strip().splitlines()
    assert sentence.startswith("Workers of their own need a broker")


def test_beat_needs_the_broker_s_address_and_nothing_else(tmp_path):
    settings = Settings(
        home=tmp_path,
        broker_url="redis://127.0.0.1:1/0",
        database_url="postgresql://nobody@127.0.0.1:1/none",
        gallery_url="http://127.0.0.1:1",
    )
    (entry,) = beat_app(settings).conf.beat_schedule.values()
    assert entry["task"] == SWEEP


@pytest.mark.services
@pytest.mark.parametrize(("policy", "warned"), [("allkeys-lru", True), ("noeviction", False)])
def test_a_redis_that_throws_messages_away_is_warned_of(policy, warned):
    if os.environ.get("AKIN_TEST_REDIS_URL") or not shutil.which("redis-server"):
        pytest.skip("changes the settings of Redis: only done to one of its own")
    with services.redis_url() as url, redis.Redis.from_url(url) as client:
        client.config_set("maxmemory-policy", policy)
        queue = Queue(url)
        with capture_logs() as logs:
            warn_of_eviction(queue)
        queue.close()
    sentences = [line["event"] for line in logs]
    assert any("set its maxmemory-policy to noeviction" in s for s in sentences) == warned


def test_a_redis_that_is_away_is_celery_s_to_tell():
    queue = Queue("redis://127.0.0.1:1/0")
    with capture_logs() as logs:
        warn_of_eviction(queue)
    queue.close()
    assert logs == []
