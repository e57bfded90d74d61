"""Tiny random models of every kind of open_clip tower, with their weights in files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

VIT = {"layers": 1, "width": 16, "head_width": 8, "patch_size": 8, "image_size": 16}
RESNET = {"layers": [1, 1, 1, 1], "width": 8, "head_width": 32, "image_size": 32}
TIMM = {
    "timm_model_name": "test_resnet.r160_in1k",
    "timm_model_pretrained": False,
    "timm_pool": "avg",
    "timm_proj": "linear",
    "image_size": 32,
}
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 2}

ARCHITECTURES = {
    "tiny-native": {"embed_dim": 12, "vision_cfg": VIT, "text_cfg": TEXT},
    "tiny-resnet": {"embed_dim": 12, "vision_cfg": RESNET, "text_cfg": TEXT},
    "tiny-custom": {"embed_dim": 12, "vision_cfg": VIT, "text_cfg": TEXT, "custom_text": True},
    "tiny-timm": {"embed_dim": 12, "vision_cfg": TIMM, "text_cfg": TEXT},
    "tiny-both-ways": {
        "embed_dim": 12,
        "vision_cfg": VIT,
        "text_cfg": {**TEXT, "no_causal_mask": True, "pool_type": "last"},
        "custom_text": True,
    },
    "tiny-wide": {"embed_dim": 20, "vision_cfg": VIT, "text_cfg": TEXT},
}


@dataclass(frozen=True)
class TinyModel:
    """An architecture that open_clip knows, and a file of random weights for it."""

    name: str
    weights: Path


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory) -> dict[str, TinyModel]:
    folder = tmp_path_factory.mktemp("tiny-models")
    models = {}
    for name, architecture in ARCHITECTURES.items():
        config, weights = folder / f"{name}.json", folder / f"{name}.safetensors"
        config.write_text(json.dumps(architecture))
        open_clip.add_model_config(config)
        torch.manual_seed(7)
        model = open_clip.create_model(name)
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, weights)
        models[name] = TinyModel(name, weights)
    return models
