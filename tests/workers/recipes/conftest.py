"""What the recipes are tried on: a small Wardrobe and a tiny backbone."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.encoding.backbone import BackboneSpec
from tests.backend.search.shop import write_tiny_backbone
from workers.datasets.wardrobe.dataset import write_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Wardrobe of 72 pictures."""
    folder: Path = tmp_path_factory.mktemp("data") / "wardrobe"
    write_dataset(folder, 72, size=48)
    return folder


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> BackboneSpec:
    """A backbone of random weights."""
    return BackboneSpec(f"local-dir:{write_tiny_backbone(tmp_path_factory.mktemp('t') / 'tiny')}")
