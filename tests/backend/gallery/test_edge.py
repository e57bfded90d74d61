"""What Qdrant Edge adds to the contract: files, processes and kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from backend.errors import Conflict, NotFound, Unavailable
from backend.gallery import edge_held_shard, edge_shard
from backend.gallery.edge_store import EdgeGalleryStore
from backend.gallery.filters import parse_filter
from tests.backend.gallery.conftest import DIM, image_id, point, random_vector

ROOT = Path(__file__).parents[3]


@pytest.fixture
def edge_store(tmp_path):
    store = EdgeGalleryStore(tmp_path)
    yield store
    store.close()


def test_a_gallery_is_the_same_after_it_was_closed(edge_store, tmp_path):
    gallery = edge_store.create("main", DIM)
    gallery.index_attribute("sale", "bool")
    gallery.index_attribute("size", "integer")
    gallery.upsert([point(n, attributes={"sale": n % 2 == 0, "size": n}) for n in range(10)])
    before = gallery.fetch([image_id(3)])[image_id(3)]
    edge_store.close()

    store = EdgeGalleryStore(tmp_path)
    again = store.open("main")
    after = again.fetch([image_id(3)])[image_id(3)]
    assert (again.dim, again.count(), store.names()) == (DIM, 10, ["main"])
    assert again.indexed_attributes() == {"sale": "bool", "size": "integer"}
    assert again.facets("attributes.sale") == [(False, 5), (True, 5)]
    assert after.payload == before.payload
    np.testing.assert_array_equal(after.vector, before.vector)
    store.close()


def test_a_closed_gallery_says_so_and_can_be_opened_again(edge_store):
    gallery = edge_store.create("main", DIM)
    gallery.close()
    gallery.close()
    with pytest.raises(Unavailable, match="Gallery 'main' is closed"):
        gallery.count()
    assert edge_store.open("main").count() == 0


def test_a_second_process_is_told_that_the_gallery_is_open_elsewhere(edge_store, tmp_path):
    edge_store.create("main", DIM)
    script = f"""
from pathlib import Path
from backend.errors import Conflict
from backend.gallery.edge_store import EdgeGalleryStore
try:
    EdgeGalleryStore(Path({str(tmp_path)!r})).open("main")
except Conflict as error:
    print(error.sentence)
"""
    child = run_python(script)
    assert child.stdout.strip() == (
        f"Gallery 'main' in {tmp_path} is open in another process: stop that one, or use another "
        "data folder."
    )


def test_kill_9_amid_upserts_loses_no_acknowledged_point(edge_store, tmp_path):
    script = f"""
from pathlib import Path
from backend.gallery.edge_store import EdgeGalleryStore
from tests.backend.gallery.conftest import point
gallery = EdgeGalleryStore(Path({str(tmp_path)!r})).create("main", {DIM})
for start in range(0, 10_000_000, 50):
    gallery.upsert([point(n) for n in range(start, start + 50)])
    print(start + 50, flush=True)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    acknowledged = [child.stdout.readline() for _ in range(20)]
    time.sleep(0.01)  # into the middle of a batch
    os.kill(child.pid, signal.SIGKILL)
    acknowledged += child.stdout.read().splitlines()
    child.wait()

    gallery = edge_store.open("main")
    numbers = range(int(acknowledged[-1]))
    stored = gallery.fetch([image_id(n) for n in numbers])
    assert len(stored) == len(numbers)
    assert gallery.search(random_vector(7), limit=1)[0].id == image_id(7)


def test_what_a_killed_optimisation_left_is_removed(edge_store, tmp_path):
    gallery = edge_store.create("main", DIM)
    gallery.upsert([point(1)])
    gallery.close()
    leftover = tmp_path / "main" / "temp_segments" / "half"
    leftover.mkdir(parents=True)
    (leftover / "segment.json").write_text("{")

    assert edge_store.open("main").count() == 1
    assert not leftover.exists()


@pytest.mark.long
def test_optimise_runs_on_the_closed_shard_and_answers_stay(tmp_path):
    store = EdgeGalleryStore(tmp_path, exact_below=100)
    gallery = store.create("main", DIM)
    gallery.upsert([point(n, category="hat" if n % 3 else "dress") for n in range(2000)])
    gallery.delete([image_id(n) for n in range(1000)])  # reason enough to rewrite the segment
    segments = segment_names(tmp_path / "main")
    wanted = parse_filter(["category=dress"])
    before = gallery.search(random_vector(0), filter=wanted, limit=20)

    gallery.optimise()

    assert segment_names(tmp_path / "main") != segments
    assert gallery.count() == 1000
    assert gallery.search(random_vector(0), filter=wanted, limit=20) == before
    store.close()


def test_a_failed_optimisation_is_told_and_the_gallery_still_answers(tmp_path, monkeypatch):
    store = EdgeGalleryStore(tmp_path, exact_below=1)
    gallery = store.create("main", DIM)
    gallery.upsert([point(1)])
    monkeypatch.setattr(sys, "executable", "/bin/false")

    with pytest.raises(Unavailable, match=r"'main' could not be optimised \(exit code 1\)"):
        gallery.optimise()
    assert gallery.count() == 1
    store.close()


def test_a_half_made_and_a_half_dropped_gallery_do_not_count(edge_store, tmp_path):
    edge_store.create("main", DIM)
    edge_store.close()
    (tmp_path / "main").rename(tmp_path / ".new-main")

    assert edge_store.names() == []
    with pytest.raises(NotFound):
        edge_store.open("main")
    assert edge_store.create("main", DIM).count() == 0
    with pytest.raises(Conflict):
        edge_store.create("main", DIM)


@pytest.mark.long
def test_the_write_ahead_log_does_not_grow_for_ever(edge_store, tmp_path, monkeypatch):
    monkeypatch.setattr(edge_held_shard, "FLUSH_EVERY", 1000)
    gallery = edge_store.create("main", DIM)
    batch = [point(n, title="x" * 9000) for n in range(500)]
    for _ in range(30):
        gallery.upsert(batch)
    log = sum(file.stat().st_blocks * 512 for file in (tmp_path / "main" / "wal").iterdir())
    assert log < 100e6  # 15,000 x 9 kB were written


@pytest.mark.long
def test_what_was_deleted_from_a_small_gallery_gives_its_room_back(edge_store, monkeypatch):
    monkeypatch.setattr(edge_shard, "DEAD_ROOM", 2**20)
    gallery = edge_store.create("main", 256)
    vectors = np.random.default_rng(0).normal(size=(1000, 256))
    points = [point(n, vectors[n]) for n in range(1000)]
    for _ in range(6):
        gallery.upsert(points)
        gallery.delete([one.id for one in points])
    gallery.upsert(points)
    told: list[int] = []
    gallery.optimise(told.append)
    gallery.optimise(told.append)

    assert told == [1000]
    assert not edge_shard.is_mostly_dead(gallery._path, 1000)
    assert gallery._shard.info().indexed_vectors_count == 0  # it is small: searched exactly
    assert gallery.search(vectors[7], limit=1)[0].id == image_id(7)


@pytest.mark.slow
def test_memory_stays_flat_however_often_points_are_written_and_searched(tmp_path):
    script = f"""
from pathlib import Path
import numpy as np, psutil
from backend.gallery.edge_store import EdgeGalleryStore
from tests.backend.gallery.conftest import point
gallery = EdgeGalleryStore(Path({str(tmp_path)!r})).create("main", 128)
vectors = np.random.default_rng(0).normal(size=(20_000, 128))
points = [point(n, vectors[n]) for n in range(20_000)]
for _ in range(8):
    for start in range(0, 20_000, 250):
        gallery.upsert(points[start : start + 250])
    gallery.set_payload({{one.id: {{"category": "hat"}} for one in points[::20]}})
    for vector in vectors[:500]:
        gallery.search(vector, limit=500, keys=("product",))
    print(psutil.Process().memory_info().rss // 2**20, flush=True)
"""
    megabytes = [int(line) for line in run_python(script).stdout.split()]
    assert max(megabytes[3:]) - megabytes[2] < 50


def segment_names(path: Path) -> set[str]:
    return {segment.name for segment in (path / "segments").iterdir()}


def run_python(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
