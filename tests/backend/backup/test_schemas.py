"""What a backup says of itself stays small enough to be read whole, however much happened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select

from backend.backup import making
from backend.backup.archive import LARGEST_PIECE
from backend.backup.restoring import check_backup
from backend.backup.schemas import MOST_NAMED, BackupManifest
from backend.database import Database
from backend.encoding.backbone import Backbone
from backend.registry.tables import Embedding
from tests.backend.backup.conftest import fill_from, fill_shop, installation, write
from tests.backend.search.conftest import open_shop
from tests.backend.search.shop import Shop


@pytest.fixture
def shop(tmp_path: Path, sqlite_database: Database, tiny_backbone: Backbone) -> Iterator[Shop]:
    """With 24 pictures."""
    with open_shop(tmp_path / "shop", sqlite_database, tiny_backbone) as opened:
        fill_shop(opened)
        yield opened


def test_where_too_many_products_changed_to_name_them_every_point_is_written_anew(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "MOST_NAMED", 23)
    path = write(shop.runtime, tmp_path / "shop.tar")
    assert check_backup(path, lambda *_: None)[1].touched is None
    with installation(tmp_path / "new") as runtime:
        fill_from(runtime, path)
        with runtime.database.read() as session:
            assert session.scalars(select(Embedding.image_revision)).all() == [0] * 24


def test_the_longest_manifest_can_be_read_back() -> None:
    """With a piece for each 4 MB of a terabyte besides."""
    hashes = {f"galleries/g-{number:012}/00000001": "0" * 64 for number in range(250_000)}
    longest = BackupManifest(
        touched=[str(uuid4())] * MOST_NAMED,
        missing=["originals/" + "0" * 64] * MOST_NAMED,
        pieces=hashes,
    )
    assert len(longest.model_dump_json()) < LARGEST_PIECE // 2


def test_of_very_many_missing_blobs_some_are_named_and_all_counted(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "MOST_NAMED", 2)
    stored = sorted(blob.name for blob in shop.runtime.blobs.files("originals"))
    for name in stored[:3]:
        shop.runtime.blobs.delete(name)
    path = write(shop.runtime, tmp_path / "shop.tar")
    _, manifest = check_backup(path, lambda *_: None)
    assert manifest.missing == [f"originals/{name}" for name in stored[:2]]
    assert manifest.lost == 3
