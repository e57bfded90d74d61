"""Kills while an Edge gallery is being optimised: it loads again, and nothing of it is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from backend.errors import Conflict, Unavailable
from backend.gallery import edge, edge_shard
from backend.gallery.edge_shard import TEMP_SEGMENTS
from backend.gallery.edge_store import EdgeGalleryStore
from backend.gallery.filters import parse_filter
from backend.gallery.port import Point
from tests.backend.gallery.conftest import image_id

ROOT = Path(__file__).parents[3]
POINTS, DIM = 6_000, 64
VECTORS = np.random.default_rng(0).normal(size=(POINTS, DIM)).astype(np.float32)

OPTIMISING = """
import sys
from pathlib import Path
from backend.gallery.edge_store import EdgeGalleryStore
from backend.gallery import edge_shard
edge_shard.LOOK_SECONDS = 0.01
gallery = EdgeGalleryStore(Path(sys.argv[1]), exact_below=1_000).open("main")
print("open", flush=True)
gallery.optimise(lambda points: print("begun", flush=True))
print("done", flush=True)
"""


@pytest.fixture
def folder(tmp_path):
    """Holds a gallery "main" that waits to be optimised."""
    store = EdgeGalleryStore(tmp_path)
    fill(store.create("main", DIM))
    store.close()
    return tmp_path


def fill(gallery) -> None:
    gallery.index_attribute("half", "bool")
    points = [
        Point(
            image_id(n),
            VECTORS[n],
            {"product": f"p{n}", "category": f"c{n % 3}", "attributes": {"half": n % 2 == 0}},
        )
        for n in range(POINTS)
    ]
    for start in range(0, POINTS, 1_000):
        gallery.upsert(points[start : start + 1_000])


def killed_while_optimising(folder: Path, first: str, delay: float) -> str:
    """Kill the process with its child some seconds after its first word; the last one it said."""
    process = subprocess.Popen(
        [sys.executable, "-c", OPTIMISING, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    word = ""
    while word != first:
        line = process.stdout.readline()
        assert line, "it ended before it was killed"
        word = line.strip()
    time.sleep(delay)
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait()
    return rest[-1] if rest else word


def opened(folder: Path):
    """The gallery, once the killed one's child has let go of it."""
    store, until = EdgeGalleryStore(folder, exact_below=1_000), time.monotonic() + 20
    while True:
        try:
            return store, store.open("main")
        except Conflict:
            assert time.monotonic() < until, "an orphan holds the shard"
            time.sleep(0.02)


def assert_whole(gallery) -> None:
    assert gallery.count() == POINTS
    assert gallery.indexed_attributes() == {"half": "bool"}
    assert gallery.scroll(None, POINTS + 1) == sorted(image_id(n) for n in range(POINTS))
    for number in range(0, POINTS, 601):
        only = parse_filter([f"category=c{number % 3}"])
        (hit,) = gallery.search(VECTORS[number], filter=only, limit=1)
        assert (hit.id, hit.payload["product"]) == (image_id(number), f"p{number}")
    assert gallery.facets("attributes.half") == [(False, POINTS // 2), (True, POINTS // 2)]


def kill_and_look(folder: Path, first: str, delay: float) -> str:
    word = killed_while_optimising(folder, first, delay)
    store, gallery = opened(folder)
    assert not (folder / "main" / TEMP_SEGMENTS).exists()
    assert_whole(gallery)
    store.close()
    return word


def test_a_child_whose_parent_is_gone_already_touches_nothing(folder):
    """Killed while the child started: nobody is left to be told of by the system."""
    command = [
        sys.executable,
        "-m",
        "backend.gallery.edge_optimise",
        str(folder / "main"),
        "0",
        "none",
    ]
    done = subprocess.run([*command, "0"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    store, gallery = opened(folder)
    assert gallery._shard.info().indexed_vectors_count == 0
    store.close()


@pytest.mark.long
def test_kill_9_while_optimising_leaves_a_shard_that_loads_and_can_be_optimised(folder):
    kill_and_look(folder, "open", 0.3)  # while the child starts
    assert kill_and_look(folder, "begun", 0.0) == "begun"  # amid the work
    kill_and_look(folder, "begun", 0.5)

    store, gallery = opened(folder)
    gallery.optimise()
    assert_whole(gallery)
    assert gallery._shard.info().indexed_vectors_count == POINTS
    store.close()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kill_9_while_optimising_at_thirty_random_moments(tmp_path):
    rng = random.Random(12)
    words = []
    for number in range(30):
        folder = tmp_path / str(number)
        folder.mkdir()
        store = EdgeGalleryStore(folder)
        fill(store.create("main", DIM))
        store.close()
        words.append(kill_and_look(folder, "begun", rng.random() ** 2 * 3))
    assert words.count("begun") >= 10


@pytest.mark.long
def test_a_killed_child_is_told_and_the_gallery_answers_on(folder, monkeypatch):
    monkeypatch.setattr(edge_shard, "LOOK_SECONDS", 0.01)
    store = EdgeGalleryStore(folder, exact_below=1_000)
    gallery = store.open("main")

    def kill(points: int) -> None:
        for child in psutil.Process().children():
            if "backend.gallery.edge_optimise" in child.cmdline():
                child.kill()

    with pytest.raises(Unavailable, match=r"could not be optimised \(exit code -9\)"):
        gallery.optimise(kill)
    assert_whole(gallery)
    store.close()


def test_who_opens_or_asks_meanwhile_waits_and_loads_nothing_twice(folder, monkeypatch):
    store = EdgeGalleryStore(folder, exact_below=1_000)
    gallery = store.open("main")
    answers: list[object] = []

    def ask() -> None:
        found = store.open("main")
        answers.append(found is gallery)
        answers.append(found.count())

    asking = threading.Thread(target=ask)

    def building(path: Path, outside: int, kind: str, begun: object) -> None:
        asking.start()
        while not answers:  # it has got the gallery, and asks it while the shard is elsewhere
            time.sleep(0.01)
        assert gallery._shard._shard is None

    monkeypatch.setattr(edge, "optimise_shard", building)
    gallery.optimise()
    asking.join(10)
    assert answers == [True, POINTS]
    store.close()


@pytest.mark.slow
def test_the_child_is_told_how_much_may_stay_outside_the_graph(folder):
    store = EdgeGalleryStore(folder, exact_below=1_000)
    store.open("main").optimise()
    store.close()
    config = json.loads((folder / "main" / "edge_config.json").read_text())
    assert config["optimizers"]["indexing_threshold"] == 200 * DIM * 4 // 1024
