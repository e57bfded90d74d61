from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import fsspec
import pytest
from fsspec.spec import AbstractFileSystem

from backend.blobs import BlobStore
from backend.errors import InvalidInput, NotFound, SetupError, TooLarge

HELLO = hashlib.sha256(b"hello").hexdigest()


@pytest.fixture(params=["file", "memory", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "s3":
        found: BlobStore = request.getfixturevalue("s3_blobs")
        return found
    url = tmp_path.as_uri() if request.param == "file" else f"memory://{uuid4()}"
    return BlobStore(url)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_blob_is_named_by_its_sha256_and_reads_back(blobs: BlobStore) -> None:
    assert not blobs.exists(HELLO)

    assert blobs.put(b"hello") == HELLO

    assert blobs.exists(HELLO)
    assert blobs.read(HELLO) == b"hello"


def test_the_same_bytes_twice_are_one_file(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path.as_uri())
    blobs.put(b"hello")
    (first,) = files(tmp_path)
    written = first.stat().st_mtime_ns

    blobs.put(b"hello")

    (again,) = files(tmp_path)
    assert again.stat().st_mtime_ns == written


def test_many_threads_may_put_the_same_blob(blobs: BlobStore) -> None:
    data = b"x" * 300_000
    with ThreadPoolExecutor(8) as threads:
        names = set(threads.map(lambda _: blobs.put(data), range(24)))

    (name,) = names
    assert blobs.read(name) == data


def test_a_blob_that_is_not_there(blobs: BlobStore) -> None:
    with pytest.raises(NotFound, match=f"no stored picture {HELLO}: it may have been deleted"):
        blobs.read(HELLO)


def test_deleting_takes_the_renditions_too_and_may_be_repeated(blobs: BlobStore) -> None:
    blobs.put(b"hello")
    blobs.put_rendition(HELLO, "thumbnail", b"small")
    blobs.put_rendition(HELLO, "preview", b"middling")

    blobs.delete(HELLO)
    blobs.delete(HELLO)

    assert not blobs.exists(HELLO)
    assert blobs.read_rendition(HELLO, "thumbnail") is None
    assert blobs.read_rendition(HELLO, "preview") is None


def test_renditions_are_kept_apart_and_can_be_replaced(blobs: BlobStore) -> None:
    assert blobs.read_rendition(HELLO, "thumbnail") is None

    blobs.put_rendition(HELLO, "thumbnail", b"old")
    blobs.put_rendition(HELLO, "thumbnail", b"new")

    assert blobs.read_rendition(HELLO, "thumbnail") == b"new"
    assert blobs.read_rendition(HELLO, "preview") is None


def test_a_staged_file_can_be_sought_in_and_goes_when_told(blobs: BlobStore) -> None:
    assert blobs.stage(HELLO, [b"he", b"", b"llo"], max_bytes=5) == 5
    assert blobs.staged(HELLO)
    assert blobs.read_staged(HELLO) == b"hello"
    with blobs.open_staged(HELLO) as file:
        file.seek(3)
        assert file.read() == b"lo"
    assert not blobs.exists(HELLO), "staged is not stored"

    blobs.unstage(HELLO)
    blobs.unstage(HELLO)

    assert not blobs.staged(HELLO)
    with pytest.raises(NotFound, match=f"uploaded file {HELLO} is gone: send it again"):
        blobs.read_staged(HELLO)


def test_staging_refuses_bytes_that_are_not_the_ones_promised(blobs: BlobStore) -> None:
    with pytest.raises(InvalidInput, match=f"sent as {HELLO} have the SHA-256 .*send the file ag"):
        blobs.stage(HELLO, [b"hullo"], max_bytes=100)

    assert not blobs.staged(HELLO)


def test_staging_stops_at_the_limit_without_reading_on(blobs: BlobStore) -> None:
    read: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            read.append(1)
            yield b"x" * 10

    with pytest.raises(TooLarge, match="more than the 25 bytes allowed"):
        blobs.stage(HELLO, endless(), max_bytes=25)

    assert len(read) == 3
    assert not blobs.staged(HELLO)


def test_a_broken_upload_leaves_nothing_behind(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path.as_uri())

    def broken() -> Iterator[bytes]:
        yield b"he"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        blobs.stage(HELLO, broken(), max_bytes=100)

    assert files(tmp_path) == []


@pytest.mark.parametrize("name", ["", "../../etc/passwd", HELLO.upper(), HELLO + "0", HELLO + "\n"])
def test_only_a_sha256_names_a_blob(blobs: BlobStore, name: str) -> None:
    with pytest.raises(InvalidInput, match="is not a SHA-256: give its 64 hexadecimal digits"):
        blobs.read(name)


@pytest.mark.parametrize("url", ["foo://x", "garbage://"])
def test_a_url_nobody_can_open_is_one_sentence(url):
    with pytest.raises(SetupError, match=r"cannot be opened .*correct AKIN_BLOB_URL"):
        BlobStore(url)


class Remembering(AbstractFileSystem):  # type: ignore[misc]
    """Files in memory whose listings are remembered as s3fs remembers them, and whose existence is
    answered from such a listing."""

    protocol = "remembering"
    held: ClassVar[dict[str, bytes]] = {}

    def ls(self, path: str, detail: bool = True, **_: object) -> list[Any]:
        folder = self._strip_protocol(path)
        found = self._ls_from_cache(folder)
        if found is None:
            found = self.dircache[folder] = [
                {"name": name, "size": len(data), "type": "file"}
                for name, data in self.held.items()
                if name.rpartition("/")[0] == folder
            ]
        return found if detail else [one["name"] for one in found]


def test_what_another_process_writes_or_deletes_is_seen_at_once() -> None:
    fsspec.register_implementation("remembering", Remembering, clobber=True)
    blobs = BlobStore("remembering://bucket")
    assert not blobs.staged(HELLO)
    Remembering.held[f"bucket/staged/{HELLO}"] = b"hello"
    assert blobs.staged(HELLO)
    Remembering.held.clear()
    assert not blobs.staged(HELLO)


def test_a_file_is_kept_where_there_is_none_or_a_damaged_one(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path.as_uri())
    assert blobs.keep("originals", HELLO, [b"he", b"llo"]), "it is new"
    (stored,) = files(tmp_path)
    written = stored.stat().st_mtime_ns
    assert not blobs.keep("originals", HELLO, [b"hello"])
    assert stored.stat().st_mtime_ns == written
    stored.write_bytes(b"hel")
    assert not blobs.keep("originals", HELLO, [b"hello"]), "nobody is to take it away again"
    assert blobs.is_intact(HELLO)
