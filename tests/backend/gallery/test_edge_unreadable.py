"""Shards that this version cannot read or that have no room: one sentence, nothing lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from backend import disk_space
from backend.errors import NoSpace, SetupError, Unavailable
from backend.gallery.edge import EdgeGallery
from backend.gallery.edge_failures import engine_failures
from backend.gallery.edge_store import EdgeGalleryStore
from backend.gallery.port import Point
from tests.disks import small_disk

POINTS = [Point(str(UUID(int=n)), np.eye(4)[n % 4], {"product": "P"}) for n in range(8)]


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """The folder of a closed gallery of eight points."""
    store = EdgeGalleryStore(tmp_path)
    store.create("shoes", 4).upsert(POINTS)
    store.close()
    return tmp_path / "shoes"


def change(path: Path, edit: Callable[[dict[str, object]], object]) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def newer_config(shard: Path) -> None:
    change(shard / "edge_config.json", lambda c: c.update(vectors={"sizes": [4]}))


def newer_segment(shard: Path) -> None:
    change(next(shard.glob("segments/*/segment.json")), lambda c: c.update(config={"future": 2}))


def damaged_version(shard: Path) -> None:
    next(shard.glob("segments/*/version.info")).write_bytes(b"\xff\xfe")


def damaged_log(shard: Path) -> None:
    (shard / "wal" / "first-index").write_bytes(b"\xff")


def truncated_vectors(shard: Path) -> None:
    """Where the engine panics instead of raising."""
    next(shard.glob("segments/*/vector_storage/vectors/status.dat")).write_bytes(b"")


def contents(shard: Path) -> dict[str, str]:
    return {
        str(path.relative_to(shard)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in shard.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    "spoil", [newer_config, newer_segment, damaged_version, damaged_log, truncated_vectors]
)
def test_a_shard_that_cannot_be_read_is_told(shard: Path, spoil: Callable[[Path], None]) -> None:
    spoil(shard)
    before = contents(shard)
    store = EdgeGalleryStore(shard.parent)
    with pytest.raises(SetupError) as told:
        store.open("shoes")
    assert told.value.sentence.startswith(
        "Gallery 'shoes' is damaged or of a newer version of Akin ("
    )
    assert told.value.sentence.endswith(
        f"): start that version, or delete {shard}, and the next start embeds the catalogue anew."
    )
    if spoil in {newer_config, newer_segment}:  # of a damaged one the engine mends what it can
        assert contents(shard) == before


def damaged_places(shard: Path) -> None:
    """Where each payload lies; the engine panics when it goes to look there."""
    scribble(next(shard.glob("segments/*/payload_storage/tracker.dat")))


def damaged_payloads(shard: Path) -> None:
    """The payloads themselves; of these it raises."""
    scribble(next(shard.glob("segments/*/payload_storage/page_0.dat")))


def scribble(path: Path) -> None:
    """Into the file itself, which the engine has mapped into its memory."""
    with path.open("r+b") as file:
        file.write(b"\xff" * 65536)


READS: list[Callable[[EdgeGallery], object]] = [
    lambda gallery: gallery.search([1, 0, 0, 0], limit=3),
    lambda gallery: gallery.fetch([POINTS[0].id]),
    lambda gallery: gallery.scroll_payloads(None, 3, ["product"]),
]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (damaged_places, r"\(assertion failed: .*\)"),
        (damaged_payloads, r"\(.* Failed to decode .*\)"),
    ],
)
def test_damage_that_comes_while_it_is_open_is_told_and_ends_no_thread(
    shard: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    gallery = EdgeGalleryStore(shard.parent).open("shoes")
    spoil(shard)
    for read in READS:
        with pytest.raises(Unavailable, match=f"Gallery 'shoes' cannot be read {reason}") as told:
            read(gallery)
        assert told.value.sentence.endswith(
            f"stop Akin and delete {shard.parent.name}/shoes in its data folder: the next start "
            "embeds the catalogue anew."
        )
    assert gallery.count() == 8
    assert len(gallery.search([1, 0, 0, 0], limit=3, keys=[])) == 3  # what reads no payload goes on
    gallery.close()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_who_is_told_to_stop_is_no_failure_of_the_engine(stop: type[BaseException]) -> None:
    with pytest.raises(stop), engine_failures(Unavailable):
        raise stop


def test_nothing_is_written_while_the_disk_is_full(shard: Path, monkeypatch) -> None:
    """On a disk that is really full the engine does not fail, it is killed by SIGBUS."""
    gallery = EdgeGalleryStore(shard.parent).open("shoes")
    monkeypatch.setattr(disk_space, "GALLERY_RESERVE", 2**62)
    for write in (
        lambda: gallery.upsert(POINTS),
        lambda: gallery.delete([POINTS[0].id]),
        lambda: gallery.index_attribute("colour", "keyword"),
        lambda: EdgeGalleryStore(shard.parent).create("hats", 4),
    ):
        with pytest.raises(NoSpace, match=r"is full .* make room and try again; what was stored"):
            write()
    assert gallery.count() == 8
    assert len(gallery.search([1, 0, 0, 0], limit=3)) == 3
    monkeypatch.undo()
    gallery.delete([POINTS[0].id])
    assert gallery.count() == 7
    gallery.close()


def test_a_gallery_is_left_as_it_is_where_there_is_no_room_to_optimise_it(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 256) as disk:
        store = EdgeGalleryStore(disk.root / "galleries", exact_below=100)
        gallery = store.create("shoes", 64)
        vectors = np.random.default_rng(0).normal(size=(2000, 64))
        gallery.upsert([Point(str(UUID(int=n)), vectors[n], {}) for n in range(2000)])
        gallery.delete([str(UUID(int=n)) for n in range(1000)])  # reason enough to rewrite it
        before, told = segments(disk.root), list[int]()

        disk.fill(leave=disk_space.GALLERY_RESERVE)
        with pytest.raises(
            NoSpace,
            match=r"'shoes' is searched as it is: to optimise it takes \d+ MB of its disk, and 6\d "
            "MB are free: make room, then start again",
        ):
            gallery.optimise(told.append)
        assert (segments(disk.root), told) == (before, [])
        assert gallery.search(vectors[1500], limit=1)[0].id == str(UUID(int=1500))

        disk.make_room()
        gallery.optimise(told.append)
        assert segments(disk.root) != before
        assert told == [1000]
        assert gallery.search(vectors[1500], limit=1)[0].id == str(UUID(int=1500))
        store.close()


def segments(root: Path) -> set[str]:
    return {path.name for path in root.glob("galleries/*/segments/*")}
