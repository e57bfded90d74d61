"""Tiny architectures that open_clip knows for the time of a test, in OpenAI's layout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import open_clip
import pytest
from open_clip import factory

from tests.backend.composition.checkpoints.layouts import TINY, TINY_RESNET


@pytest.fixture(scope="session", autouse=True)
def tiny_architectures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tiny-RN-quickgelu; Tiny-ViT-quickgelu, and Tiny-ViT with the same shapes."""
    folder: Path = tmp_path_factory.mktemp("architectures")
    quick = {"quick_gelu": True}
    configs = {
        "Tiny-ViT": TINY.config,
        "Tiny-ViT-quickgelu": {**TINY.config, **quick},
        "Tiny-RN-quickgelu": {**TINY_RESNET.config, **quick},
    }
    for name, config in configs.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    yield
    for name in configs:
        factory._MODEL_CONFIGS.pop(name, None)
