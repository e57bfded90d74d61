"""What `akin ingest PATH...` sends."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from backend.catalogue.sources import collect, sha256_of
from backend.errors import InvalidInput, NotFound


def write(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def names(*paths: Path) -> list[str]:
    return [source.name for source in collect(paths)]


def test_a_folder_is_sent_from_its_own_name_on_without_junk(tmp_path: Path) -> None:
    for name in ("dress/2.jpg", "dress/1.jpg", "hat/1.PNG", "all.zip", "p.csv"):
        write(tmp_path / "validation" / name)
    for name in (".DS_Store", "Thumbs.db", "notes.txt", ".git/1.jpg", "__MACOSX/1.jpg"):
        write(tmp_path / "validation" / name)
    assert names(tmp_path / "validation") == [
        "validation/all.zip",
        "validation/p.csv",
        "validation/dress/1.jpg",
        "validation/dress/2.jpg",
        "validation/hat/1.PNG",
    ]


def test_the_current_folder_has_a_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "dress/1.jpg")
    monkeypatch.chdir(tmp_path / "dress")
    assert names(Path()) == ["dress/1.jpg"]


def test_a_file_is_sent_under_its_name_alone_whatever_it_is(tmp_path: Path) -> None:
    note = write(tmp_path / "deep/notes.txt", b"hello")
    (source,) = collect([note, note])
    assert (source.name, source.path, source.size) == ("notes.txt", note, 5)


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    one, two = write(tmp_path / "dress/1.jpg", b"1"), write(tmp_path / "hat/1.jpg", b"2")
    assert names(one, two) == ["1.jpg", "hat/1.jpg"]


def test_a_manifest_brings_its_pictures_and_keeps_their_places(tmp_path: Path) -> None:
    for shop in ("a", "b"):
        write(tmp_path / shop / "p.csv", b"sku,image\n1,images/1.jpg|images/2.jpg\n2,gone.jpg\n")
        write(tmp_path / shop / "images/1.jpg", shop.encode())
        write(tmp_path / shop / "images/unnamed.jpg")
    write(tmp_path / "b/images/2.jpg")
    assert names(tmp_path / "a/p.csv", tmp_path / "b/p.csv") == [
        "p.csv",
        "images/1.jpg",
        "b/p.csv",
        "b/images/1.jpg",
        "b/images/2.jpg",
    ]


def test_a_manifest_that_cannot_be_read_as_one_is_sent_to_be_refused(tmp_path: Path) -> None:
    assert names(write(tmp_path / "p.csv", b"title\nDress\n")) == ["p.csv"]


def test_a_path_with_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as refusal:
        collect([tmp_path / "gone"])
    assert refusal.value.sentence == f"There is nothing at {tmp_path}/gone: check the path."


def test_a_folder_without_anything_to_import(tmp_path: Path) -> None:
    write(tmp_path / "shop/notes.txt")
    with pytest.raises(InvalidInput) as refusal:
        collect([tmp_path / "shop"])
    assert refusal.value.sentence == (
        f"The folder {tmp_path}/shop holds no picture, zip or manifest: check the path."
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    secret = write(tmp_path / "1.jpg")
    secret.chmod(0)
    with pytest.raises(InvalidInput, match="cannot be read \\(permission denied\\): check its"):
        collect([secret])


def test_a_link_into_nowhere_inside_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "shop/1.jpg")
    (tmp_path / "shop/2.jpg").symlink_to(tmp_path / "gone.jpg")
    with pytest.raises(InvalidInput, match=r"2\.jpg cannot be read \(no such file or directory\)"):
        collect([tmp_path / "shop"])


def test_a_name_that_is_not_unicode(tmp_path: Path) -> None:
    write(tmp_path / "shop" / os.fsdecode(b"\xff.jpg"))
    with pytest.raises(InvalidInput, match="holds characters that cannot be stored: rename"):
        collect([tmp_path / "shop"])


def test_the_hash_of_a_file(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    assert sha256_of(write(tmp_path / "1.jpg", data)) == hashlib.sha256(data).hexdigest()
    with pytest.raises(InvalidInput, match="cannot be read"):
        sha256_of(tmp_path / "gone.jpg")
