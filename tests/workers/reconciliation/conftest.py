"""Shops to be damaged: on SQLite and Edge, on PostgreSQL and the stand-in for Qdrant's server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.blobs import BlobStore
from backend.database import Database
from backend.encoding.backbone import Backbone
from backend.gallery.opening import open_store
from backend.jobs.broker import Queue
from backend.runtime import Runtime
from backend.settings import Settings
from tests import qdrant_standin
from tests.decoders import share_decoder
from tests.workers.reconciliation.damaged_shop import DamagedShop
from tests.workers.workshop import use

PROFILES = ["embedded", pytest.param("server", marks=[pytest.mark.services, pytest.mark.long])]


@pytest.fixture
def open_shop(
    queue: Queue, backbone: Backbone, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], DamagedShop]]:
    """Makes an empty shop of a profile."""
    opened: list[Runtime] = []

    def open_one(profile: str) -> DamagedShop:
        kind = "sqlite" if profile == "embedded" else "postgres"
        database: Database = request.getfixturevalue(f"{kind}_database")
        url = "edge" if profile == "embedded" else qdrant_standin.shared_url()
        runtime = Runtime(
            settings=Settings(home=tmp_path, embed_batch=4, gallery_url=url),
            database=database,
            blobs=BlobStore((tmp_path / "blobs").as_uri()),
            galleries=open_store(url, tmp_path / "galleries"),
            queue=queue,
        )
        use(share_decoder(runtime), backbone)
        opened.append(runtime)
        return DamagedShop(runtime)

    yield open_one
    for runtime in opened:
        for name in runtime.galleries.names():
            runtime.galleries.drop(name)
        runtime.close()


@pytest.fixture(params=PROFILES)
def shop(open_shop: Callable[[str], DamagedShop], request: pytest.FixtureRequest) -> DamagedShop:
    """A shop with six products, all of them embedded."""
    made = open_shop(request.param)
    made.fill(6)
    return made
