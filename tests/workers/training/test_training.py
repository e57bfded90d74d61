"""Training jobs, done whole: the data, the segments, the figures, the version that comes of it."""

from __future__ import annotations

import threading
import time

import psutil
import pytest

from backend.jobs import service as jobs
from backend.registry.deployments import active
from backend.registry.gate import held_out
from backend.training.curves import curves, log_lines
from backend.training.following import CANCELLED
from tests.workers.training.installations import ask, job_of, version_of, weights, work_on
from tests.workers.training.runs import SMALL
from workers import training_listening, training_process
from workers.training_spec import Preparing, Report, Step

LONG = {**SMALL, "epochs": 1_000_000}


@pytest.fixture
def heard(monkeypatch) -> list[Report]:
    """What the children said."""
    found: list[Report] = []
    hear = training_listening.Listener.hear

    def note(self, report):
        found.extend([report] if report is not None else [])
        hear(self, report)

    monkeypatch.setattr(training_listening.Listener, "hear", note)
    return found


@pytest.fixture
def children(monkeypatch) -> list[int]:
    """The children that were started, by process id."""
    found: list[int] = []

    class Noted(training_process._Process):
        def __init__(self) -> None:
            super().__init__()
            found.append(self._process.pid)

    monkeypatch.setattr(training_process, "_Process", Noted)
    return found


def log_of(runtime, job_id: str) -> list[str]:
    with runtime.database.read() as session:
        return [one.text for one in log_lines(session, job_id, after=0, limit=1_000).lines]


def test_a_combiner_is_trained_on_the_catalogues_triplets(shop, accepted, heard, children):
    job_id = ask(shop, name="November")
    assert version_of(shop, job_id).state == "training"
    job = work_on(shop, job_id)
    assert (job.state, job.error) == ("done", None)
    assert (job.done, job.total, job.result["steps"]) == (12, 12, 12)
    version = version_of(shop, job_id)
    assert (version.state, version.name, version.composer) == ("ready", "November", "combiner")
    assert version.card is not None
    assert version.card["data"]["counts"]["triplets"] == 40
    assert version.card["name"] == "November"
    with shop.database.read() as session:
        now = active(session)
        points = curves(session, job_id, after=0, limit=100).points
    assert version.parent_id == now.version_id
    assert [one.step for one in points] == list(range(1, 13))
    assert "R@10" in points[-1].figures
    assert log_of(shop, job_id) == [
        "The data: 72 pictures, 72 products, 40 triplets of train, 10 triplets of val, "
        "10 triplets of test.",
        "1 of 80 texts are cut: the model reads no more.",
        "Trained to its end at step 12.",
    ]
    found = held_out(version.figures)
    assert found is not None
    assert (found.triplets, found.split, found.active) == (10, "test", now.version_id)
    assert list(found.ways) == ["composed", "image", "text", "active"]
    for figures in found.ways.values():
        assert list(figures) == ["R@1", "R@5", "R@10", "R@50"]
        assert all(low <= value <= high for value, low, high in figures.values())
    loaded = shop.models.load(version).model()
    assert loaded.composer.name
    seen = {one.what for one in heard if isinstance(one, Preparing)}
    assert "Seeing pictures" not in seen  # the gallery's features were all it needed
    assert "Reading captions" in seen
    assert not (shop.settings.training_folder / job_id).exists()
    assert len(children) == 1  # it trained, and then it measured
    assert not psutil.pid_exists(children[0])


def test_lincir_is_trained_on_the_titles(shop):
    parameters = {"batch": 8, "steps": 4, "tagger": "rules", "evaluate_every": 2}
    job_id = ask(shop, recipe="lincir", parameters=parameters, data={"kind": "titles"})
    job = work_on(shop, job_id)
    assert (job.state, job.error) == ("done", None)
    version = version_of(shop, job_id)
    assert version.composer == "phi"
    assert held_out(version.figures) is not None


def test_pic2word_is_trained_on_the_pictures(shop, accepted):
    """And where nothing is held out, that is said."""
    accepted.clear()
    parameters = {"batch": 8, "epochs": 1, "middle": 8}
    job_id = ask(shop, recipe="pic2word", parameters=parameters, data={"kind": "images"})
    job = work_on(shop, job_id)
    assert (job.state, job.error) == ("done", None)
    version = version_of(shop, job_id)
    assert (version.composer, version.figures) == ("im2text", {})
    said = "There are no held-out triplets, so the version has no figures."
    assert said in log_of(shop, job_id)


def test_a_dataset_folder_is_measured_on_its_own_triplets_where_the_catalogue_has_none(
    shop, accepted
):
    accepted.clear()
    job_id = ask(shop, data={"kind": "folder", "path": "wardrobe"})
    job = work_on(shop, job_id)
    assert (job.state, job.error) == ("done", None)
    found = version_of(shop, job_id).figures["held_out"]
    assert (found["data"], found["split"], found["triplets"]) == ("Wardrobe", "test", 10)


@pytest.mark.slow
def test_a_trained_version_is_trained_on(shop):
    first = ask(shop, name="first")
    assert work_on(shop, first).state == "done"
    second = ask(shop, recipe="spn-bank", parameters={"batch": 20, "epochs": 1}, parent="first")
    job = work_on(shop, second)
    assert (job.state, job.error) == ("done", None)
    version = version_of(shop, second)
    assert version.parent_id == version_of(shop, first).id
    assert (version.card or {})["parent"] == "first"
    assert version.fingerprint == version_of(shop, first).fingerprint


def test_without_triplets_to_train_on_it_fails_with_the_sentence(shop, accepted):
    accepted[:] = [one for one in accepted if one.split != "train"]
    job_id = ask(shop)
    job = work_on(shop, job_id)
    assert job.state == "failed"
    assert job.error is not None
    assert job.error.startswith("The catalogue has no accepted triplets of these sources")
    version = version_of(shop, job_id)
    assert (version.state, version.error) == ("failed", job.error)


def test_what_the_recipe_refuses_is_the_jobs_sentence(shop):
    job_id = ask(shop, parameters={**SMALL, "batch": 100_000})
    job = work_on(shop, job_id)
    assert job.state == "failed"
    assert "100,000" in (job.error or "")
    assert version_of(shop, job_id).error == job.error


def test_a_cancel_is_obeyed_within_seconds_and_a_retry_goes_on(shop, heard):
    job_id = ask(shop, parameters=LONG)
    worker = threading.Thread(target=work_on, args=(shop, job_id))
    worker.start()
    wait_for_a_step(heard)
    with shop.database.write() as session:
        jobs.cancel(session, job_id)
    begun = time.monotonic()
    worker.join(30)
    assert time.monotonic() - begun < 5
    assert job_of(shop, job_id).state == "cancelled"
    version = version_of(shop, job_id)
    assert (version.state, version.error) == ("failed", CANCELLED)
    reached = max(one.step for one in heard if isinstance(one, Step))

    with shop.database.write() as session:
        jobs.retry(session, shop.queue, job_id)
    assert version_of(shop, job_id).state == "training"
    heard.clear()
    stopping = threading.Event()
    worker = threading.Thread(target=work_on, args=(shop, job_id, stopping))
    worker.start()
    first = wait_for_a_step(heard)
    stopping.set()
    worker.join(30)
    assert first.step > reached
    assert job_of(shop, job_id).state == "queued"
    assert version_of(shop, job_id).state == "training"


@pytest.mark.slow
def test_segments_end_in_the_weights_of_a_run_that_never_stopped(shop, children):
    short = {**SMALL, "epochs": 1}
    whole, cut = ask(shop, parameters=short), ask(shop, parameters=short)
    assert work_on(shop, whole).state == "done"
    shop.settings.train_segment_seconds = 0.001
    assert work_on(shop, cut).state == "done"
    told = [line for line in log_of(shop, cut) if " at step " in line]
    assert told == ["A segment ended at step 1.", "Trained to its end at step 2."]
    found = [weights(shop, version_of(shop, job)) for job in (whole, cut)]
    assert found[0] == found[1]
    assert len(children) == 2  # one a job, however many segments it has


def wait_for_a_step(heard: list[Report]) -> Step:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for one in list(heard):
            if isinstance(one, Step):
                return one
        time.sleep(0.05)
    return pytest.fail("no step within a minute")
