"""A gallery of a small backbone, for the tests of the embed job."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.encoding.backbone import Backbone, BackboneSpec, load_backbone
from backend.gallery.port import Gallery
from backend.runtime import Runtime
from tests.backend.search.shop import write_tiny_backbone
from tests.workers.workshop import activate, use
from workers import patience


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is away is asked again at once."""
    monkeypatch.setattr(patience, "FIRST_SECONDS", 0.01)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small backbone of random weights."""
    return write_tiny_backbone(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def backbone(tiny: Path) -> Backbone:
    """Loaded once, since that takes longer than a test."""
    return load_backbone(BackboneSpec(f"local-dir:{tiny}"), threads=1)


@pytest.fixture
def gallery(runtime: Runtime, backbone: Backbone) -> Gallery:
    """The empty gallery of the tiny backbone, which is active."""
    use(runtime, backbone)
    runtime.settings.embed_batch = 4
    return runtime.galleries.open(activate(runtime).gallery_id)
