"""What a scrape reads: the state of the installation, and at most once in ten seconds."""

from __future__ import annotations

import platform
import threading
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kombu.exceptions import OperationalError
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event

from backend import VERSION
from backend import gauges as module
from backend.encoding.backbone import BackboneSpec, load_backbone
from backend.gauges import KEPT_SECONDS, Gauges
from backend.jobs import service
from tests.backend.search.shop import write_tiny_backbone
from tests.workers.workshop import activate, import_files, photo, run_embeds, use


def read(gauges: Gauges) -> dict[tuple[str, ...], float]:
    """By name and label values, these in the order of their names."""
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(gauges.text().decode())
        for sample in family.samples
    }


@pytest.fixture
def gauges(runtime):
    return Gauges(runtime)


def test_our_version_is_the_package_s():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert tomllib.loads(text)["project"]["version"] == VERSION


def test_jobs_by_queue_with_the_age_of_the_oldest(runtime, gauges, clock):
    with runtime.database.write() as session:
        service.create(session, runtime.queue, kind="train", actor="ann")
    clock.advance(90)
    with runtime.database.write() as session:
        service.create(session, runtime.queue, kind="evaluate", actor="ann")
    clock.advance(10)
    found = read(gauges)
    assert found["akin_queue_jobs", "train"] == 2
    assert found["akin_queue_oldest_seconds", "train"] == 100
    assert (found["akin_queue_jobs", "io"], found["akin_queue_oldest_seconds", "io"]) == (0, 0)
    assert found["akin_jobs", "train", "queued"] == 1
    assert found["akin_queue_messages", "train"] == 2
    assert found["akin_build_info", platform.python_version(), VERSION] == 1


def test_a_gallery_s_points_and_coverage_and_what_answers(runtime, gauges, tmp_path):
    folder = write_tiny_backbone(tmp_path / "tiny")
    use(runtime, load_backbone(BackboneSpec(f"local-dir:{folder}"), threads=1))
    active = activate(runtime)
    import_files(runtime, {"red.jpg": photo("red"), "blue.jpg": photo("blue")})
    found = read(gauges)
    assert found["akin_gallery_coverage", active.gallery_id] == 0
    assert found["akin_gallery_images", active.gallery_id, "missing"] == 2
    assert found["akin_active_version_info", active.gallery_id, active.version] == 1
    assert found["akin_deployment",] == active.deployment
    run_embeds(runtime)
    found = read(Gauges(runtime))
    assert found["akin_gallery_coverage", active.gallery_id] == 1
    assert found["akin_gallery_points", active.gallery_id] == 2


def test_many_scrapes_cost_one_reading(runtime, gauges, monkeypatch):
    statements: list[str] = []

    def note(_c, _cursor, statement, *_):
        statements.append(statement)

    event.listen(runtime.database.engine, "before_cursor_execute", note)
    read(gauges)
    first = len(statements)
    assert first > 0
    for _ in range(20):
        read(gauges)
    assert len(statements) == first
    moment = time.monotonic() + KEPT_SECONDS
    monkeypatch.setattr("backend.clock.monotonic", lambda: moment)
    read(gauges)
    assert len(statements) > first


def test_who_comes_while_a_part_is_waited_for_takes_what_was_read_last(
    runtime, gauges, monkeypatch
):
    """Such as a gallery that is being optimised: scrapes must not take every thread there is."""
    before = gauges.text()
    monkeypatch.setattr(module, "KEPT_SECONDS", 0.0)
    asked, answer = threading.Event(), threading.Event()

    def slow() -> list[str]:
        asked.set()
        answer.wait(30)
        return []

    monkeypatch.setattr(runtime.galleries, "names", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(gauges.text)
        assert asked.wait(30)
        assert [gauges.text() for _ in range(50)] == [before] * 50
        answer.set()
        assert b"akin_part_up" in first.result()


def test_a_part_that_is_away_leaves_the_rest(runtime, gauges, monkeypatch):
    def refuse(_queue: str) -> int:
        raise OperationalError("connection refused")

    monkeypatch.setattr(runtime.queue, "messages", refuse)
    found = read(gauges)
    assert found["akin_part_up", "broker"] == 0
    assert found["akin_part_up", "database"] == 1
    assert not [key for key in found if key[0] == "akin_queue_messages"]
    assert ("akin_queue_jobs", "io") in found
