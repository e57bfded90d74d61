"""Property tests say what is right, not how fast: no deadline on a machine shared with others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from backend.encoding.backbone import Backbone
from tests.backend.composition.trained_models import write_model
from tests.backend.search.shop import load_tiny_backbone, write_tiny_backbone

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a backbone of random weights: 16 features, 12 tokens of 32 numbers."""
    return write_tiny_backbone(tmp_path_factory.mktemp("backbones") / "tiny")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Backbone:
    return load_tiny_backbone(tiny_folder)


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """Other weights in both towers."""
    return load_tiny_backbone(
        write_tiny_backbone(tmp_path_factory.mktemp("backbones") / "other", seed=1)
    )


@pytest.fixture
def written(tmp_path: Path, tiny: Backbone) -> Path:
    """The folder of a model of pseudo tokens over `tiny`."""
    return write_model(tmp_path / "model", tiny, "phi")
