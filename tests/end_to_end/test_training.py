"""Training through the real program: a server trains in a lane of its own, a command follows."""

from __future__ import annotations

import json
import time

import pytest

from backend.client import AkinClient
from tests.end_to_end.test_refusals import assert_told

pytestmark = pytest.mark.long

SMALL = [
    word
    for option in ("batch=20", "epochs=6", "lr=0.003", "projection=2", "hidden=2", "scale=20")
    for word in ("--set", option)
]


@pytest.fixture(scope="module")
def server(servers, tiny, catalogue):
    """It may read the folder that holds the drawn catalogue, which is a dataset too."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AKIN_DATASETS", str(catalogue.parent))
        patched.setenv("AKIN_BACKBONE", tiny)
        yield servers("--no-ui")


def test_a_version_is_trained_and_followed_to_its_figures(server):
    words = ("models", "train", "combiner", "--from", "wardrobe", "--name", "mine", *SMALL)
    done = server.run(*words, "--watch", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["job"]["state"] == "done"
    assert (told["version"]["name"], told["version"]["state"]) == ("mine", "ready")
    assert told["version"]["figures"]["held_out"]["triplets"] == 10
    assert "mine" in server.run("models", "list").stdout
    watched = server.run("jobs", "watch", told["job"]["id"])
    assert watched.returncode == 0, watched.stderr


def test_a_running_one_is_cancelled_within_seconds(server):
    words = ("models", "train", "combiner", "--from", "wardrobe", *SMALL, "--set", "epochs=999999")
    begun = server.run(*words, "--json")
    assert begun.returncode == 0, begun.stderr
    job = json.loads(begun.stdout)["job"]["id"]
    with AkinClient(server.url) as client:
        deadline = time.monotonic() + 120
        while client.job(job).stage != "training":
            assert time.monotonic() < deadline, client.job(job)
            time.sleep(0.1)
        assert client.curves(job).points
        assert server.run("jobs", "cancel", job).returncode == 0
        deadline = time.monotonic() + 15
        while not client.job(job).finished:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert client.job(job).state == "cancelled"
        (failed,) = client.models(state="failed").items
        assert failed.error is not None
        assert failed.error.startswith("The training was cancelled")


def test_what_does_not_fit_is_one_sentence(server):
    def refused(*words):
        return server.run("models", "train", *words)

    assert_told(refused("magic", "--from", "triplets"), 'no recipe "magic"')
    assert_told(refused("lincir", "--from", "images"), "trains on titles, not on images")
    assert_told(refused("combiner", "--from", "../elsewhere"), "not below AKIN_DATASETS")
    assert_told(refused("combiner", "--from", "triplets", "--set", "batch"), "sets nothing")
    assert_told(refused("combiner", "--from", "triplets", "--split", "test"), "must include train")


def test_without_accepted_triplets_the_job_says_so(server):
    done = server.run("models", "train", "combiner", "--from", "triplets", "--watch")
    assert done.returncode == 1
    assert "no accepted triplets of these sources" in done.stderr
