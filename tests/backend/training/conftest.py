"""An installation with an active version of a tiny backbone, which nothing is trained in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.database import Database
from backend.encoding.backbone import Backbone
from backend.registry.service import ensure_active
from backend.runtime import Runtime, open_runtime
from backend.settings import Settings
from tests.backend.search.shop import load_tiny_backbone, write_tiny_backbone
from tests.decoders import share_decoder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    folder = write_tiny_backbone(tmp_path_factory.mktemp("models") / "tiny")
    return load_tiny_backbone(folder)


@pytest.fixture
def runtime(tmp_path: Path, database: Database, tiny: Backbone) -> Iterator[Runtime]:
    settings = Settings(
        home=tmp_path,
        database_url=database.url,
        gallery_url=":memory:",
        backbone=tiny.spec.name,
        datasets=tmp_path / "datasets",
    )
    opened = share_decoder(open_runtime(settings))
    with opened.database.write() as session:
        ensure_active(session, opened, tiny)
    yield opened
    opened.close()
