"""Servers for the end-to-end tests, and the real photos where they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests import warm
from tests.backend.search.shop import write_tiny_backbone
from tests.end_to_end.server import Server
from workers.datasets.wardrobe.dataset import write_dataset

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "clothing"


@pytest.fixture(scope="module", autouse=True)
def no_server_is_left() -> Iterator[None]:
    """One takes about 1 GB: those of a module are gone before those of the next one start."""
    yield
    children = psutil.Process().children()
    commands = [child.as_dict(["cmdline"], ad_value=[])["cmdline"] for child in children]
    assert [command for command in commands if "backend.cli" in command] == []
    assert warm.alive() == []


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory, no_server_is_left: None
) -> Iterator[Callable[..., Server]]:
    """Makes servers that are gone when the tests of the module are over."""
    with ExitStack() as stack:

        def make(*options: str, cold: bool = False) -> Server:
            home = tmp_path_factory.mktemp("server") / "home"
            return stack.enter_context(Server(home, options or ("--no-ui",), cold=cold))

        yield make


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty drawn products as a manifest with pictures, in a folder."""
    folder = tmp_path_factory.mktemp("catalogue") / "wardrobe"
    write_dataset(folder, 60, seed=3, size=128)
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `--backbone` takes for a small one of random weights, which starts quickly."""
    return f"local-dir:{write_tiny_backbone(tmp_path_factory.mktemp('models') / 'tiny')}"
