"""What is no whole backup is refused in one sentence, and nothing of it stays."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect

from backend.backup.archive import end, member
from backend.backup.restoring import check_backup
from backend.errors import AkinError, InvalidInput, NoSpace, NotFound
from backend.outages import NO_SPACE
from tests.backend.backup.conftest import Saved, fill_from, installation
from tests.disks import small_disk

Files = dict[str, bytes]


def unpacked(path: Path) -> Files:
    with tarfile.open(path) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive}  # type: ignore[union-attr]


def packed(path: Path, files: Files) -> Path:
    with path.open("wb") as file:
        for name, data in files.items():
            file.writelines(member(name, len(data), [data]))
        file.write(end())
    return path


def honest(files: Files) -> Files:
    """With the hashes of what is in it now, as somebody writes them who knows the format."""
    manifest = json.loads(files.pop("manifest.json"))
    pieces = {n: d for n, d in files.items() if n.startswith(("tables/", "galleries/"))}
    manifest["pieces"] = {name: hashlib.sha256(data).hexdigest() for name, data in pieces.items()}
    for area in manifest["blobs"]:
        names = [name for name in files if name.startswith(f"{area}/")]
        digest = hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()
        manifest["blobs"][area] = [len(names), digest]
    files["manifest.json"] = json.dumps(manifest).encode()
    return files


def assert_refused(path: Path, home: Path, match: str) -> None:
    with installation(home) as runtime:
        with pytest.raises(AkinError, match=match):
            fill_from(runtime, path)
        assert runtime.galleries.names() == []
        assert list(runtime.blobs.files("originals")) == []
        assert inspect(runtime.database.engine).get_table_names() == []


def test_without_a_file(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"There is no backup at .*: name the file that"):
        check_backup(tmp_path / "none.tar", lambda *_: None)


@pytest.mark.parametrize("data", [b"", b"not a backup", bytes(4096), b"PK\3\4" + b"x" * 5000])
def test_what_is_no_backup(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match=r"is no whole backup of Akin .*nothing was restored"):
        check_backup(path, lambda *_: None)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_backup(saved: Saved, tmp_path: Path, share: float) -> None:
    path = tmp_path / "x.tar"
    data = saved.path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert_refused(path, tmp_path / "home", "is no whole backup")


def test_any_changed_byte_is_found(saved: Saved, tmp_path: Path) -> None:
    path, data = tmp_path / "x.tar", saved.path.read_bytes()
    files = unpacked(saved.path)
    for name, content in files.items():
        if not content or name in {"backup.json", "manifest.json"}:
            continue
        place = data.index(content) + len(content) // 2
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(InvalidInput, match="is no whole backup"):
            check_backup(path, lambda *_: None)


def drop(prefix: str) -> Callable[[Files], Files]:
    def change(files: Files) -> Files:
        del files[next(name for name in files if name.startswith(prefix))]
        return files

    return change


@pytest.mark.parametrize("prefix", ["tables/products", "galleries/", "originals/", "manifest"])
def test_a_part_that_is_left_out(saved: Saved, tmp_path: Path, prefix: str) -> None:
    path = packed(tmp_path / "x.tar", drop(prefix)(unpacked(saved.path)))
    assert_refused(path, tmp_path / "home", "is no whole backup")


@pytest.mark.parametrize("prefix", ["tables/products", "tables/blobs", "galleries/"])
def test_a_part_that_is_left_out_with_its_hash(saved: Saved, tmp_path: Path, prefix: str) -> None:
    path = packed(tmp_path / "x.tar", honest(drop(prefix)(unpacked(saved.path))))
    assert_refused(path, tmp_path / "home", "is no whole backup")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../../evil", tarfile.REGTYPE),
        ("/etc/passwd", tarfile.REGTYPE),
        ("originals/../../evil", tarfile.REGTYPE),
        ("originals/" + "0" * 64, tarfile.SYMTYPE),
        ("originals/" + "0" * 64, tarfile.LNKTYPE),
        ("tables/products/00000001", tarfile.CHRTYPE),
        ("originals", tarfile.DIRTYPE),
        ("x" * 80, tarfile.XHDTYPE),
    ],
)
def test_names_and_kinds_that_are_not_ours(
    saved: Saved, tmp_path: Path, name: str, kind: bytes
) -> None:
    path = tmp_path / "x.tar"
    facts = tarfile.TarInfo(name)
    facts.type, facts.linkname = kind, "/etc/passwd" if kind != tarfile.REGTYPE else ""
    path.write_bytes(facts.tobuf(tarfile.GNU_FORMAT) + saved.path.read_bytes())
    assert_refused(path, tmp_path / "home", "which is none of its parts")


def test_a_part_that_claims_to_be_huge(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    facts = tarfile.TarInfo("backup.json")
    facts.size = 2**60
    path.write_bytes(facts.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    assert_refused(path, tmp_path / "home", "is said to have 1,152,921,504,606,846,976 bytes")


@pytest.mark.parametrize(("key", "value"), [("format", 2), ("revision", "9999"), ("revision", "")])
def test_a_newer_backup(saved: Saved, tmp_path: Path, key: str, value: Any) -> None:
    files = unpacked(saved.path)
    files["backup.json"] = json.dumps({**json.loads(files["backup.json"]), key: value}).encode()
    path = packed(tmp_path / "x.tar", files)
    assert_refused(path, tmp_path / "home", r"written by a newer version of Akin .*install that")


@pytest.mark.parametrize(
    "rows",
    [
        b'["sku"]\n["A"]\n',
        b'["no such column"]\n[1]\n',
        b'["sku"]\n[{"time": 5}]\n',
        b'["sku"]\n[{"code": "import os"}]\n',
        b'["sku"]\n["A", "B"]\n',
        b'[["sku"]]\n[1]\n',
        b"not JSON",
        b"",
        b"[" * 100_000,
    ],
)
def test_rows_that_were_never_written_by_us(saved: Saved, tmp_path: Path, rows: bytes) -> None:
    files = unpacked(saved.path)
    files["tables/products/00000001"] = rows
    path = packed(tmp_path / "x.tar", honest(files))
    assert_refused(path, tmp_path / "home", r"is no whole backup of Akin .*its rows")


def test_a_table_that_we_do_not_have(saved: Saved, tmp_path: Path) -> None:
    files = unpacked(saved.path)
    files["tables/alembic_version/00000001"] = b'["version_num"]\n["x"]\n'
    manifest = files.pop("manifest.json")
    path = packed(tmp_path / "x.tar", honest({**files, "manifest.json": manifest}))
    assert_refused(path, tmp_path / "home", "its rows or points make no sense")


@pytest.mark.parametrize("data", [b"", b"AKINGAL\n\1\0\0\0", b"x" * 100])
def test_a_gallery_that_is_none(saved: Saved, tmp_path: Path, data: bytes) -> None:
    files = unpacked(saved.path)
    files[next(name for name in files if name.startswith("galleries/"))] = data
    path = packed(tmp_path / "x.tar", honest(files))
    assert_refused(path, tmp_path / "home", r"its gallery [\w-]+ cannot be read")


def test_a_disk_that_the_rows_fill(saved: Saved, tmp_path: Path) -> None:
    """It is full, and the backup is whole."""
    with small_disk(tmp_path / "disk", 1) as disk:
        url = f"sqlite:///{disk.root}/akin.sqlite3"
        with installation(tmp_path / "home", database_url=url) as runtime:
            disk.fill(leave=100_000)
            with pytest.raises(NoSpace) as full:
                fill_from(runtime, saved.path)
            assert runtime.galleries.names() == []
    assert full.value.sentence == NO_SPACE


def test_it_is_read_as_a_stream(saved: Saved) -> None:
    """Any tar program can look into it."""
    with tarfile.open(fileobj=io.BytesIO(saved.path.read_bytes()), mode="r|") as archive:
        assert sum(1 for _ in archive) == len(unpacked(saved.path))
