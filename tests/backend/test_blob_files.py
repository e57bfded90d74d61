"""Listing a blob store, on a disk and on a file system that fsspec brings."""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from backend.blobs import BlobStore

DATA = [f"picture {n}".encode() for n in range(20)]
NAMES = sorted(hashlib.sha256(data).hexdigest() for data in DATA)


@pytest.fixture(params=["disk", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "s3":
        found: BlobStore = request.getfixturevalue("s3_blobs")
        return found
    on_disk = request.param == "disk"
    return BlobStore(tmp_path.as_uri() if on_disk else f"memory://{uuid.uuid4().hex}")


def test_blobs_come_in_the_order_of_their_names(store: BlobStore) -> None:
    for data in DATA:
        store.put(data)
    files = list(store.files("originals"))
    assert [file.name for file in files] == NAMES
    sizes = {hashlib.sha256(data).hexdigest(): len(data) for data in DATA}
    assert {file.name: file.size for file in files} == sizes
    lately = datetime.now(UTC) - timedelta(minutes=5)
    assert all(file.modified > lately for file in files)


def test_an_area_that_was_never_written_is_empty(store: BlobStore) -> None:
    for area in ("originals", "thumbnails", "staged", "aside", "damaged"):
        assert list(store.files(area)) == []


def test_renditions_and_staged_files_are_listed_and_discarded(store: BlobStore) -> None:
    sha256 = store.put(DATA[0])
    store.put_rendition(sha256, "thumbnail", b"small")
    store.stage(sha256, [DATA[0]], 100)
    (small,), (staged,) = store.files("thumbnails"), store.files("staged")
    assert (small.name, staged.name) == (f"{sha256}.webp", sha256)
    assert store.holds("thumbnails", small.name)
    store.discard("thumbnails", small.name)
    store.discard("staged", staged.name)
    assert not store.holds("thumbnails", small.name)
    assert store.read_rendition(sha256, "thumbnail") is None
    assert not store.staged(sha256)
    store.discard("staged", staged.name)


def test_files_in_a_folder_that_is_not_theirs_are_left_out(tmp_path: Path) -> None:
    store = BlobStore(tmp_path.as_uri())
    sha256 = store.put(DATA[0])
    astray = tmp_path / "originals" / "00" / "ff00"
    astray.parent.mkdir(exist_ok=True)
    astray.write_bytes(b"")
    assert [file.name for file in store.files("originals")] == [sha256]


def test_a_file_that_goes_while_it_is_listed_is_left_out(tmp_path: Path) -> None:
    store = BlobStore(tmp_path.as_uri())
    for data in DATA[:2]:
        store.stage(hashlib.sha256(data).hexdigest(), [data], 100)
    files = store.files("staged")
    first = next(files)
    for data in DATA[:2]:
        store.unstage(hashlib.sha256(data).hexdigest())
    assert first.size
    assert list(files) == []


def test_a_file_of_unknown_age_counts_as_new(monkeypatch: pytest.MonkeyPatch) -> None:
    store = BlobStore(f"memory://{uuid.uuid4().hex}")
    store.put(DATA[0])
    listed = MemoryFileSystem.ls

    def without_times(self: MemoryFileSystem, path: str, detail: bool = True, **rest: object):
        entries = listed(self, path, detail=detail, **rest)
        return [{key: e[key] for key in ("name", "size", "type")} for e in entries]

    monkeypatch.setattr(MemoryFileSystem, "ls", without_times)
    (file,) = store.files("originals")
    assert datetime.now(UTC) - file.modified < timedelta(minutes=1)


def test_bytes_of_the_wrong_size_are_written_anew(store: BlobStore) -> None:
    sha256 = store.put(DATA[0])
    store._files.pipe_file(store._blob(sha256), DATA[0][:3])
    assert store.size(sha256) == 3
    assert not store.is_intact(sha256)
    store.put(DATA[0])
    assert store.is_intact(sha256)
    assert store.size("0" * 64) is None


def test_a_damaged_blob_is_set_apart_until_it_is_deleted(store: BlobStore) -> None:
    sha256 = store.put(DATA[0])
    store.set_apart(sha256)
    assert not store.exists(sha256)
    assert [file.name for file in store.files("damaged")] == [sha256]
    store.set_apart(sha256)
    store.delete(sha256)
    assert list(store.files("damaged")) == []


def test_a_disk_that_cannot_read_a_blob_has_damaged_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = BlobStore(tmp_path.as_uri())
    sha256 = store.put(DATA[0])

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(store._files, "open", fail)
    assert not store.is_intact(sha256)


def test_a_blob_that_may_not_be_read_is_not_taken_for_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = BlobStore(tmp_path.as_uri())
    sha256 = store.put(DATA[0])

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(store._files, "open", refuse)
    with pytest.raises(PermissionError):
        store.is_intact(sha256)
