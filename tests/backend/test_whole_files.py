"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from backend.whole_files import flush_folder, write_whole


def test_a_file_takes_the_place_of_another_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    assert write_whole(path, b"old") == path
    assert write_whole(path, b"new") == path
    flush_folder(tmp_path)
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["facts.json"]  # noqa: PTH208 - the names are what is asked


def test_what_was_there_stays_where_the_new_bytes_do_not_reach_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_whole(tmp_path / "facts.json", b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no room"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path], "nothing half-written stays"


def test_the_new_name_is_on_the_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda number: flushed.append(behind(number)))
    path = write_whole(tmp_path / "facts.json", b"new")
    assert flushed == [tmp_path / ".facts.json.partial", tmp_path]
    assert path.read_bytes() == b"new"


def behind(number: int) -> Path:
    """What a descriptor is of."""
    return Path(f"/proc/self/fd/{number}").readlink()


def test_a_share_that_cannot_flush_a_folder_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> None:
        raise OSError(errno.EINVAL, f"{folder} cannot be flushed")

    monkeypatch.setattr("backend.whole_files.flush_folder", refuse)
    assert write_whole(tmp_path / "facts.json", b"new").read_bytes() == b"new"
