"""`akin export` says before it writes a zip that could not come back, and recommends a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from backend.catalogue.routes import router
from backend.catalogue.sources import collect
from backend.cli import app as akin
from backend.commands.exporting import new_file
from backend.errors import InvalidInput
from backend.feedback.routes import router as feedback_router
from backend.feedback.service import review
from backend.runtime import Runtime
from tests.api import api_of, served
from tests.backend.feedback.stock import say
from tests.disks import small_disk
from tests.workers.workshop import import_files, photos
from workers.datasets.catalogue import read_catalogue


@pytest.fixture
def url(runtime: Runtime) -> Iterator[str]:
    """A server with a few products that takes no more than four thousand bytes at once."""
    runtime.settings.max_upload_bytes = 4_000
    import_files(runtime, photos(6))
    with served(api_of(runtime, router, feedback_router)) as url:
        yield url


def export(url: str, *arguments: str) -> Result:
    result = CliRunner().invoke(akin, ["export", *arguments, "--url", url])
    assert result.exit_code == 0, result.output
    return result


def test_a_zip_that_could_not_come_back_is_told(url: str, tmp_path: Path) -> None:
    target = tmp_path / "catalogue.zip"
    result = export(url, str(target))
    assert "could not be imported again, since 4,000 may be sent at once here" in result.stderr
    assert "export a folder instead, with akin export FOLDER" in result.stderr
    assert "bring it back" not in result.stdout
    assert target.exists()


def test_a_folder_of_the_same_comes_back(url: str, tmp_path: Path) -> None:
    result = export(url, str(tmp_path / "catalogue"))
    assert "could not be imported again" not in result.stderr
    assert "bring it back with akin ingest" in result.stdout


def test_a_part_that_is_small_enough_comes_back_as_a_zip(url: str, tmp_path: Path) -> None:
    result = export(url, str(tmp_path / "part.zip"), "--filter", "sku=3")
    assert "could not be imported again" not in result.stderr
    assert "bring it back with akin ingest" in result.stdout


def test_a_folder_holds_the_accepted_triplets_of_its_products(
    url: str, runtime: Runtime, tmp_path: Path
) -> None:
    one, other = (say(runtime.database, "0", "is redder", sku) for sku in ("1", "2"))
    with runtime.database.write() as session:
        review(session, runtime.queue, [one, other], "accepted", "max")
    export(url, str(tmp_path / "all"))
    lines = (tmp_path / "all" / "triplets.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["target"] for line in lines) == ["1", "2"]
    assert read_catalogue(tmp_path / "all").triplets[0].captions == ("is redder",)
    export(url, str(tmp_path / "part"), "--filter", "sku=0,1")
    assert len((tmp_path / "part" / "triplets.jsonl").read_text().splitlines()) == 1
    export(url, str(tmp_path / "none"), "--filter", "sku=3")
    assert not (tmp_path / "none" / "triplets.jsonl").exists()
    names = [source.name for source in collect([tmp_path / "all"])]
    assert "all/products.jsonl" in names
    assert "all/triplets.jsonl" not in names, "it is no list of products"


def test_two_that_write_one_file_do_not_mix(tmp_path: Path) -> None:
    target = tmp_path / "shop.tar"

    def write(data: bytes, meanwhile: Callable[[], None] = lambda: None) -> None:
        with new_file(target) as file:
            file.write(data)
            meanwhile()

    with pytest.raises(InvalidInput, match="exists already: name a new file"):
        write(b"slow", lambda: write(b"fast"))
    assert [(path, path.read_bytes()) for path in tmp_path.iterdir()] == [(target, b"fast")]


def test_a_file_has_its_name_only_once_it_is_on_the_disk(tmp_path: Path, monkeypatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    refused = pytest.raises(InvalidInput, match=r"cannot be written .*make room")
    with refused, new_file(tmp_path / "shop.tar") as file:
        file.write(b"all")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_is_told_by_the_file_s_own_name(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        refused = pytest.raises(InvalidInput, match=r"shop\.tar cannot be written \(no space left")
        with refused, new_file(disk.root / "shop.tar") as file:
            file.writelines([bytes(700_000)] * 3)
        assert list(disk.root.iterdir()) == []


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    refused = pytest.raises(InvalidInput, match=r"shop\.tar cannot be written \(no such file")
    with refused, new_file(tmp_path / "none" / "shop.tar"):
        pass


def test_what_cannot_be_read_is_not_said_of_the_file_that_is_written(tmp_path: Path) -> None:
    def read() -> Iterator[bytes]:
        yield b"some"
        raise PermissionError(13, "Permission denied", "a stored picture")

    refused = pytest.raises(PermissionError, match="a stored picture")
    with refused, new_file(tmp_path / "shop.tar") as file:
        file.writelines(read())
    assert list(tmp_path.iterdir()) == []
