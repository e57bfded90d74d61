"""The shop that searches are tried in, empty and filled."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backend.database import Database
from backend.encoding.backbone import Backbone
from backend.registry.loading import LoadedVersion
from backend.registry.service import ensure_active
from backend.runtime import open_runtime
from backend.search.service import SearchService
from backend.settings import Settings
from tests.backend.search.shop import (
    COLOURS,
    Shop,
    load_tiny_backbone,
    picture,
    write_tiny_backbone,
)
from tests.decoders import share_decoder


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """A backbone of random weights: it sees and reads, but understands nothing."""
    folder = write_tiny_backbone(tmp_path_factory.mktemp("models") / "tiny")
    return load_tiny_backbone(folder)


@contextmanager
def open_shop(
    home: Path, database: Database, backbone: Backbone, gallery_url: str = "edge"
) -> Iterator[Shop]:
    """An installation without products over a migrated database."""
    settings = Settings(
        home=home,
        database_url=database.url,
        gallery_url=gallery_url,
        backbone=backbone.spec.name,
        max_image_bytes=100_000,
    )
    runtime = share_decoder(open_runtime(settings))
    with runtime.database.write() as session:
        active = ensure_active(session, runtime, backbone)
    yield Shop(runtime, backbone, active)
    runtime.close()


@pytest.fixture
def shop(tmp_path, sqlite_database, tiny_backbone) -> Iterator[Shop]:
    """An empty shop on SQLite and Qdrant Edge."""
    with open_shop(tmp_path, sqlite_database, tiny_backbone) as found:
        yield found


@pytest.fixture
def shop_search(shop: Shop) -> Iterator[SearchService]:
    """The search service of the empty shop."""
    with serve(shop) as service:
        yield service


@pytest.fixture(scope="session")
def filled(tmp_path_factory, migrated_sqlite: Path, tiny_backbone: Backbone) -> Iterator[Shop]:
    """A plain tee and a striped dress of each colour, 16 products; not to be changed."""
    home = tmp_path_factory.mktemp("filled")
    shutil.copy(migrated_sqlite, home / "akin.sqlite3")
    database = Database(f"sqlite:///{home / 'akin.sqlite3'}")
    with open_shop(home, database, tiny_backbone) as found:
        for number, colour in enumerate(COLOURS, 1):
            price = {"price": f"{10 * number}.00", "currency": "EUR"}
            tee = {"category": "t-shirt", "attributes": {"colour": colour}, **price}
            found.add(f"TEE-{colour}", picture(colour), fields=tee)
            dress = {"category": "dress", **price}
            found.add(f"DRESS-{colour}", picture(colour, "grey"), fields=dress)
        yield found


@pytest.fixture
def search(filled: Shop) -> Iterator[SearchService]:
    """The search service of the filled shop."""
    with serve(filled) as service:
        yield service


@contextmanager
def serve(shop: Shop) -> Iterator[SearchService]:
    """A search service of the shop."""
    model = LoadedVersion(shop.backbone, shop.active.composer)
    service = SearchService(shop.runtime, model, shop.active)
    yield service
    service.close()
