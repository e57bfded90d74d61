"""The two towers of an open_clip model as functions: pixels or token ids in, features out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

Model = Any  # open_clip has no types

EOT_POOLING = ("argmax", "eos")


def text_tower(model: Model) -> Model:
    """The module that holds the text transformer: `model.text`, or a native CLIP itself."""
    return getattr(model, "text", model)


def trims(model: Model) -> bool:
    """Whether padding behind EOT cannot reach the feature: causal, and pooled at EOT.

    Then running on the longest caption's length alone is exact; a tower that looks both ways or
    reads the last position (SigLIP) must see its whole context.
    """
    tower = text_tower(model)
    plain = getattr(tower, "cls_emb", None) is None and not getattr(tower, "use_pad_mask", False)
    causal = isinstance(getattr(tower, "attn_mask", None), Tensor)
    return causal and plain and _pooling(tower) in EOT_POOLING


def text_features(model: Model, tokens: Tensor) -> Tensor:
    """Un-normalised text features, trimmed to the longest caption where that is exact.

    tokens: (batch, context) token ids. Returns (batch, dim).
    """
    if not trims(model):
        features: Tensor = model.encode_text(tokens)
        return features
    ends = eot_positions(model, tokens)
    return _causal_features(text_tower(model), tokens[:, : int(ends.max()) + 1], ends)


def eot_positions(model: Model, tokens: Tensor) -> Tensor:
    """Where each row of `tokens` (batch, context) is pooled: (batch,) positions."""
    tower = text_tower(model)
    if _pooling(tower) == "argmax":
        return tokens.argmax(dim=-1)
    eos: int = getattr(tower, "text_eos_id", getattr(tower, "eos_id", 0))
    return tokens.eq(eos).int().argmax(dim=-1)


def _pooling(tower: Model) -> str | None:
    pooling: str | None = getattr(tower, "text_pool_type", getattr(tower, "pool_type", None))
    return pooling


def _causal_features(tower: Model, tokens: Tensor, ends: Tensor) -> Tensor:
    length = tokens.shape[1]
    dtype = tower.transformer.get_cast_dtype()
    hidden = tower.token_embedding(tokens).to(dtype)
    hidden = hidden + tower.positional_embedding[:length].to(dtype)
    hidden = tower.transformer(hidden, attn_mask=tower.attn_mask[:length, :length])
    pooled: Tensor = tower.ln_final(hidden[torch.arange(len(tokens), device=tokens.device), ends])
    if isinstance(tower.text_projection, nn.Linear):
        projected: Tensor = tower.text_projection(pooled)
        return projected
    return pooled if tower.text_projection is None else pooled @ tower.text_projection
