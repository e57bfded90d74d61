"""The other commands through the real program: jobs, datasets, reset, and what they refuse."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from backend.client import AkinClient
from tests.end_to_end.server import Server
from tests.end_to_end.test_refusals import akin, assert_told

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two pictures and a file that is none."""
    folder = tmp_path_factory.mktemp("mixed") / "test" / "scarf"
    folder.mkdir(parents=True)
    for colour in ("green", "blue"):
        Image.new("RGB", (60, 80), colour).save(folder / f"{colour}.png")
    (folder / "broken.jpg").write_text("no picture")
    return folder.parent


@pytest.fixture(scope="module")
def server(servers):
    return servers()


@pytest.fixture(scope="module")
def job(server, folder):
    """The finished import of the folder."""
    done = server.run("ingest", str(folder), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_bad_file_is_one_line_of_the_report(job):
    assert (job["result"]["created"], job["failed"]) == (2, 1)
    assert [line["name"] for line in job["refused"]] == ["test/scarf/broken.jpg"]
    assert "no picture that can be read in test/scarf/broken.jpg" in job["refused"][0]["reason"]


def test_jobs_are_listed_and_shown(server, job):
    listed = json.loads(server.run("jobs", "list", "--json").stdout)["items"]
    assert job["id"] in {one["id"] for one in listed}
    shown = server.run("jobs", "show", job["id"]).stdout
    assert "2 created, 1 refused" in shown
    assert "broken.jpg" in shown
    assert server.run("jobs", "watch", job["id"]).returncode == 0


def test_a_finished_job_is_neither_cancelled_nor_retried(server, job):
    for verb in ("cancel", "retry"):
        assert_told(server.run("jobs", verb, job["id"]), "done")


def test_a_job_that_is_not_there(server):
    assert_told(server.run("jobs", "show", "nothing"), "There is no job nothing")


def test_a_filter_nobody_knows(server):
    done = server.run("search", "--text", "red", "--filter", "colr=red")
    assert_told(done, "colr", "category")


def test_words_beyond_the_context_are_said(server, job):
    done = server.run("search", "--text", "many words " * 100)
    assert done.returncode == 0
    assert "The words go beyond what the model reads" in done.stderr


def test_words_the_demo_never_saw_are_said(server, job):
    done = server.run("search", "--text", "in red velvet", "--without", "a zip")
    assert done.returncode == 0
    assert "never saw these words and will guess: velvet, zip" in " ".join(done.stderr.split())
    listed = json.loads(server.run("search", "--text", "in red velvet", "--json").stdout)
    assert listed["unseen_words"] == ["velvet"]


def test_nothing_found_says_what_to_do(server, job):
    done = server.run("search", "--text", "red", "--filter", "category=hat")
    assert "loosen the filters" in done.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [("--on-conflict", "maybe"), ("--split", "half"), ("--category", "x" * 101)],
)
def test_an_import_option_that_does_not_fit(server, folder, option, value):
    assert_told(server.run("ingest", str(folder), option, value), f"{option} does not fit")


def test_a_path_that_is_not_there(server):
    assert_told(server.run("ingest", "/no/such/folder"), "There is nothing at /no/such/folder")


def test_a_dataset_is_drawn_once(tmp_path):
    size = ("--items", "18", "--size", "40")
    done = akin("dataset", "wardrobe", "--out", str(tmp_path / "out"), *size, "--json")
    assert sum(json.loads(done.stdout)["items"].values()) == 18
    picture = next((tmp_path / "out" / "images").iterdir())
    assert Image.open(picture).size == (40, 40)
    again = akin("dataset", "wardrobe", "--out", str(tmp_path / "out"), "--items", "18")
    assert_told(again, "already exists", "name another one")


def test_a_wrong_setting_of_the_environment(tmp_path):
    assert_told(akin("search", "--text", "x", AKIN_PORT="abc"), "The setting port is 'abc'")


@pytest.mark.slow
def test_reset_empties_a_folder_that_nobody_holds(tmp_path, tiny):
    with Server(tmp_path / "home", ("--no-ui", "--backbone", tiny)) as server:
        assert_told(akin("reset", "--home", str(server.home), "--yes"), "is in use by process")
        server.stop()
        asked = akin("reset", "--home", str(server.home))
        assert asked.returncode == 1
        assert (server.home / "akin.sqlite3").exists()
        assert akin("reset", "--home", str(server.home), "--yes").returncode == 0
        assert not (server.home / "akin.sqlite3").exists()
        server.start()
        with AkinClient(server.url) as client:
            assert client.summary().products == 0
