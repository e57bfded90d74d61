"""Servers for the end-to-end tests, and the real photos where they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.backend.search.shop import write_tiny_backbone
from tests.end_to_end.server import Server
from workers.datasets.wardrobe.dataset import write_dataset

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "clothing"


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Makes servers that are gone when all tests are over."""
    made: list[Server] = []

    def make(*options: str) -> Server:
        server = Server(tmp_path_factory.mktemp("server") / "home", options or ("--no-ui",))
        made.append(server)
        server.start()
        return server

    yield make
    for server in made:
        if server.process is not None and server.process.poll() is None:
            server.process.kill()
            server.process.wait()


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty drawn products as a manifest with pictures, in a folder."""
    folder = tmp_path_factory.mktemp("catalogue") / "wardrobe"
    write_dataset(folder, 60, seed=3, size=128)
    return folder


@pytest.fixture(scope="session")
def shop(servers: Callable[..., Server], catalogue: Path) -> Server:
    """A server that holds the sixty products. Tests leave it as it is."""
    server: Server = servers()
    done = server.run("ingest", str(catalogue / "products.csv"))
    assert done.returncode == 0, done.stderr
    return server


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `--backbone` takes for a small one of random weights, which starts quickly."""
    return f"local-dir:{write_tiny_backbone(tmp_path_factory.mktemp('models') / 'tiny')}"
