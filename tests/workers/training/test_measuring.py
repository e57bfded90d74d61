"""Finished versions measured and compared on the catalogue's held-out triplets."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from backend.audit.schemas import AuditFilter
from backend.audit.service import all_lines
from backend.errors import Conflict, InvalidInput
from backend.jobs import service as jobs
from backend.jobs.schemas import JobOut
from backend.registry import lifecycle
from backend.registry.deployments import active
from backend.registry.gate import held_out
from backend.registry.tables import ModelVersion
from backend.runtime import Runtime
from backend.training import measuring as service
from backend.training.measuring_schemas import CompareRequest, Comparison
from tests.backend.registry.stock import add_version
from tests.workers.training.installations import ask, job_of, opened, version_of, work_on
from workers.execution import execute
from workers.measuring import NOTHING_HELD_OUT, compare, evaluate
from workers.training_process import Child
from workers.training_spec import Preparing

ROOT = Path(__file__).parents[3]


def begin(shop: Runtime, version_id: str) -> str:
    with shop.database.write() as session:
        return service.measure(session, shop.queue, version_id, "ann").id


def measured(shop: Runtime, version_id: str) -> JobOut:
    job_id = begin(shop, version_id)
    execute(shop, "evaluate", evaluate, job_id, threading.Event())
    return job_of(shop, job_id)


def compared(shop: Runtime, a: str, b: str) -> JobOut:
    with shop.database.write() as session:
        request = CompareRequest(a=a, b=b)
        job_id = service.compare(session, shop.queue, request, "ann").id
    execute(shop, "compare", compare, job_id, threading.Event())
    return job_of(shop, job_id)


def now_of(shop: Runtime) -> str:
    with shop.database.read() as session:
        return active(session).version_id


def row_of(shop: Runtime, version_id: str) -> ModelVersion:
    with shop.database.read() as session:
        return session.get_one(ModelVersion, version_id)


def other(shop: Runtime, name: str = "product", **changes: str) -> str:
    """A ready version of the same towers that composes otherwise; its id."""
    with shop.database.write() as session:
        facts = {"composer": "product"} | changes
        return add_version(session, active(session), name, **facts).id


@pytest.mark.slow
def test_what_is_measured_later_is_what_the_training_itself_measured(shop, accepted):
    """The same triplets, the same questions, the same draws: the same figures to the last digit."""
    version = version_of(shop, ask_and_train(shop))
    then = dict(version.figures["held_out"])
    with shop.database.write() as session:
        lifecycle.version_row(session, version.id).figures = {}
    job = measured(shop, version.id)
    assert (job.state, job.error) == ("done", None)
    assert job.result == {"version": version.id, "triplets": 10, "split": "test"}
    assert row_of(shop, version.id).figures["held_out"] == then
    folder = shop.settings.training_folder
    assert [one.name for one in folder.iterdir()] == ["features"]


@pytest.mark.long
def test_an_imported_version_gets_the_figures_that_the_gate_asks_for(shop, accepted):
    version_id = other(shop)
    assert measured(shop, version_id).state == "done"
    found = held_out(row_of(shop, version_id).figures)
    assert found is not None
    assert (found.triplets, found.split, found.active) == (10, "test", now_of(shop))
    assert list(found.ways) == ["composed", "image", "text", "active"]
    line = next(iter(all_lines(shop.database, AuditFilter(action="model.measure"))))
    assert (line.actor, line.label, line.before) == ("ann", "product", {})
    assert line.after["R@10"] == found.ways["composed"]["R@10"][0]


@pytest.mark.long
def test_the_triplets_are_those_of_now(shop, accepted):
    job_id = begin(shop, other(shop))
    accepted[:] = [one for one in accepted if one.split != "test"]
    execute(shop, "evaluate", evaluate, job_id, threading.Event())
    assert job_of(shop, job_id).result["split"] == "val"


def test_without_held_out_triplets_the_job_says_how_to_get_some(shop, accepted):
    kept = list(accepted)
    accepted[:] = [one for one in accepted if one.split == "train"]
    version_id = other(shop)
    job = measured(shop, version_id)
    assert (job.state, job.error) == ("failed", NOTHING_HELD_OUT)
    assert row_of(shop, version_id).figures == {}
    accepted[:] = kept
    with shop.database.write() as session:
        jobs.retry(session, shop.queue, job.id)
    execute(shop, "evaluate", evaluate, job.id, threading.Event())
    assert job_of(shop, job.id).state == "done"


def test_one_without_weights_is_refused(shop):
    version_id = other(shop, "unfinished", state="training")
    with pytest.raises(Conflict) as refused:
        begin(shop, version_id)
    assert refused.value.sentence == (
        "unfinished is training: only a version that is ready can be measured or compared."
    )


def test_a_version_that_goes_meanwhile_fails_the_job(shop, accepted):
    version_id = other(shop)
    job_id = begin(shop, version_id)
    with shop.database.write() as session:
        lifecycle.delete(session, version_id, actor="ann")
    execute(shop, "evaluate", evaluate, job_id, threading.Event())
    assert job_of(shop, job_id).error == (
        f"There is no model version {version_id}: list them with `akin models list`."
    )


def test_asked_twice_it_is_measured_once(shop):
    version_id = other(shop)
    assert begin(shop, version_id) == begin(shop, version_id)


@pytest.mark.long
def test_a_cancel_is_obeyed_within_seconds(shop, accepted, monkeypatch):
    job_id = begin(shop, version_id := other(shop))
    running = threading.Event()
    do = Child.do

    def slowly(child, work, stopping):
        running.set()
        while not stopping():
            yield Preparing(what="Seeing pictures", done=1, total=10)
            time.sleep(0.05)
        yield from do(child, work, stopping)

    monkeypatch.setattr(Child, "do", slowly)
    work = (shop, "evaluate", evaluate, job_id, threading.Event())
    worker = threading.Thread(target=execute, args=work)
    worker.start()
    assert running.wait(60)
    with shop.database.write() as session:
        jobs.cancel(session, job_id)
    begun = time.monotonic()
    worker.join(60)
    assert time.monotonic() - begun < 15, "the child starts once, to be told to stop"
    assert job_of(shop, job_id).state == "cancelled"
    assert row_of(shop, version_id).figures == {}


KILLED = """
import os, signal, sys, threading
from pathlib import Path
from backend.jobs.lease import reclaim_all
from tests.workers.training.installations import opened, triplets_of
from workers import measuring, training_data
from workers.execution import execute

place, job_id, point = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
training_data.accepted_triplets = lambda session, sources: triplets_of(place)

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

if point:
    setattr(measuring, point, die)
with opened(place) as runtime:
    with runtime.database.write() as session:
        reclaim_all(session)
    execute(runtime, "evaluate", measuring.evaluate, job_id, threading.Event())
"""


POINTS = ("take_snapshot", "export_features", "EvaluateWork", "measured")
"""Before the snapshot; with it; with the features; in the transaction that writes the figures."""


@pytest.mark.slow
def test_killed_at_any_point_another_try_ends_it(home, accepted):
    with opened(home) as shop:
        version_id = other(shop)
        job_id = begin(shop, version_id)

    def work(point: str) -> int:
        words = [sys.executable, "-c", KILLED, str(home), job_id, point]
        return subprocess.run(words, cwd=ROOT, check=False).returncode

    for point in POINTS:
        assert work(point) == -signal.SIGKILL, point
        with opened(home) as shop:
            assert job_of(shop, job_id).state == "running"
            assert row_of(shop, version_id).figures == {}
    assert work("") == 0
    with opened(home) as shop:
        assert job_of(shop, job_id).state == "done"
        assert held_out(row_of(shop, version_id).figures) is not None


def test_two_versions_are_compared_triplet_by_triplet(shop, accepted):
    now, version_id = now_of(shop), other(shop)
    job = compared(shop, now, version_id)
    assert (job.state, job.error) == ("done", None)
    found = Comparison.model_validate(job.result)
    assert (found.b, found.split, found.triplets) == ("product", "test", 10)
    assert found.wins + found.losses + found.ties == 10
    assert list(found.figures_a) == ["R@1", "R@5", "R@10", "R@50"]
    assert all(low <= value <= high for value, low, high in found.figures_b.values())
    asked = {(one.reference, one.target) for one in accepted if one.split == "test"}
    for one in (*found.gains, *found.drops):
        assert (one.reference, one.target) in asked
        assert one.words
    assert len(found.gains) == found.wins
    assert len(found.drops) == found.losses
    assert all(one.rank_b < one.rank_a for one in found.gains)
    assert all(one.rank_b > one.rank_a for one in found.drops)
    ratios = [one.rank_a / one.rank_b for one in found.gains]
    assert ratios == sorted(ratios, reverse=True)
    measured(shop, version_id)
    ways = row_of(shop, version_id).figures["held_out"]["ways"]
    assert ways["composed"]["R@10"] == list(found.figures_b["R@10"])
    assert ways["active"]["R@10"] == list(found.figures_a["R@10"])


def test_alike_versions_differ_nowhere(shop, accepted):
    found = Comparison.model_validate(
        compared(shop, now_of(shop), other(shop, "twin", composer="sum")).result
    )
    assert (found.wins, found.losses, found.ties, found.p_value) == (0, 0, 10, 1.0)
    assert (found.gains, found.drops) == ([], [])
    assert found.figures_a == found.figures_b


def test_a_version_is_not_compared_with_itself(shop):
    now = now_of(shop)
    with pytest.raises(InvalidInput, match="cannot be compared with itself: name two versions"):
        compared(shop, now, now)


def ask_and_train(shop: Runtime) -> str:
    job_id = ask(shop)
    assert work_on(shop, job_id).state == "done"
    return job_id
