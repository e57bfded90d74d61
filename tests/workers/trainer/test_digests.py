"""Hashes of files, remembered as long as the files stay what they were."""

from __future__ import annotations

import hashlib
import os

import pytest

from workers.trainer import digests
from workers.trainer.digests import Digests


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """A file counts as settled the moment it is written."""
    monkeypatch.setattr(digests, "FRESH_SECONDS", -1.0)


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_the_digest_of_each_file_or_why_there_is_none(tmp_path):
    (tmp_path / "a").write_bytes(b"first")
    (tmp_path / "b").write_bytes(b"second")
    found = Digests(tmp_path / "memo").of([tmp_path / "b", tmp_path / "gone", tmp_path / "a"])
    assert found[0] == sha(b"second")
    assert isinstance(found[1], FileNotFoundError)
    assert found[2] == sha(b"first")


def test_a_folder_in_place_of_a_file_is_an_error_of_its_own(tmp_path):
    assert isinstance(Digests(tmp_path / "memo").of([tmp_path])[0], IsADirectoryError)


def test_a_file_that_stays_is_read_once(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"first")
    Digests(tmp_path / "memo").of([path])
    memo = tmp_path / "memo" / "rows.bin"
    memo.write_bytes(sha(b"what was remembered"))
    assert Digests(tmp_path / "memo").of([path, path]) == 2 * [sha(b"what was remembered")]


@pytest.mark.parametrize("change", ["in place", "replaced", "with its old time"])
def test_a_file_that_changed_is_read_again(tmp_path, change):
    path = tmp_path / "a"
    path.write_bytes(b"first")
    known = Digests(tmp_path / "memo")
    known.of([path])
    before = path.stat()
    if change == "replaced":
        (tmp_path / "b").write_bytes(b"other")
        (tmp_path / "b").replace(path)
    else:
        path.write_bytes(b"other")
    if change == "with its old time":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert known.of([path]) == [sha(b"other")]


def test_a_file_touched_just_now_is_not_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "FRESH_SECONDS", 3600.0)
    (tmp_path / "a").write_bytes(b"first")
    Digests(tmp_path / "memo").of([tmp_path / "a"])
    assert not (tmp_path / "memo").exists()


def test_a_forgotten_digest_is_not_on_the_disk_and_its_file_is_read_anew(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_bytes(path.name.encode())
    memo = Digests(tmp_path / "memo")
    memo.of(paths)
    held = (tmp_path / "memo/rows.bin").read_bytes()
    assert sha(b"a") in held
    assert sha(b"b") in held
    memo.forget([sha(b"a")])
    held = (tmp_path / "memo/rows.bin").read_bytes()
    assert sha(b"a") not in held
    assert sha(b"b") in held
    assert memo.of(paths) == [sha(b"a"), sha(b"b")]
