"""Backbones and installations for the tests of the registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.database import Database
from backend.encoding.backbone import Backbone
from backend.runtime import Runtime, open_runtime
from backend.settings import Settings
from tests.backend.search.shop import load_tiny_backbone, write_tiny_backbone
from tests.decoders import share_decoder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a backbone of random weights."""
    return write_tiny_backbone(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Backbone:
    """The backbone of the settings."""
    return load_tiny_backbone(tiny_folder)


@pytest.fixture(scope="session")
def moved(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """The same weights under another name."""
    return load_tiny_backbone(write_tiny_backbone(tmp_path_factory.mktemp("models") / "moved"))


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """Another image tower."""
    return load_tiny_backbone(
        write_tiny_backbone(tmp_path_factory.mktemp("models") / "other", seed=1)
    )


@pytest.fixture
def runtime(tmp_path: Path, database: Database, tiny: Backbone) -> Iterator[Runtime]:
    """An installation that has not been started yet, over two pairs of database and store."""
    settings = Settings(
        home=tmp_path,
        database_url=database.url,
        gallery_url="edge" if database.is_sqlite else ":memory:",
        backbone=tiny.spec.name,
    )
    opened = share_decoder(open_runtime(settings))
    yield opened
    opened.close()
