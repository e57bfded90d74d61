"""What a backbone sees and reads, as one hash for each side: equal hashes are equal features."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor

from backend.encoding.loading import IMAGE_TOWER
from backend.encoding.preprocessing import Preprocessing
from backend.encoding.towers import Model


def image_fingerprint(model: Model, config: dict[str, Any], see: Preprocessing) -> str:
    """SHA-256 over the image tower's architecture, its weights and the preprocessing."""
    facts = {"architecture": config, "preprocessing": asdict(see)}
    return _digest(facts, model.visual.state_dict())


def text_fingerprint(model: Model, config: dict[str, Any], vocabulary: list[str] | None) -> str:
    """SHA-256 over everything but the image tower: the text tower's architecture, all weights that
    are not the image tower's, and the words that others are read as."""
    facts = {"architecture": config, "vocabulary": vocabulary}
    state = model.state_dict().items()
    return _digest(facts, {name: t for name, t in state if not name.startswith(IMAGE_TOWER)})


def _digest(facts: dict[str, Any], state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
