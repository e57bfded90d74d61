"""The two towers of an open_clip model as functions: pixels or token ids in, features out."""

from __future__ import annotations

from typing import Any

import torch
from open_clip.transformer import ResidualAttentionBlock
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
    return causal and plain and pooled_at_eot(model)


def pooling(tower: Model) -> str | None:
    """Which position of a text open_clip's own transformer reads; None for other towers."""
    kind: str | None = getattr(tower, "text_pool_type", getattr(tower, "pool_type", None))
    return kind


def eos_id(tower: Model) -> int:
    """The id of the end token, for towers that look for it by its id."""
    found: int = getattr(tower, "text_eos_id", getattr(tower, "eos_id", 0))
    return found


def pooled_at_eot(model: Model) -> bool:
    """Whether a text's feature is read at the position of its end token."""
    return pooling(text_tower(model)) in EOT_POOLING


def text_features(model: Model, tokens: Tensor) -> Tensor:
    """Un-normalised text features, trimmed to the longest caption where that is exact.

    tokens: (batch, context) token ids. Returns (batch, dim).
    """
    if not trims(model):
        features: Tensor = model.encode_text(tokens, normalize=False)
        return features
    tower, ends = text_tower(model), eot_positions(model, tokens)
    read = tokens[:, : int(ends.max()) + 1]
    return causal_features(tower, tower.token_embedding(read), ends)


def eot_positions(model: Model, tokens: Tensor) -> Tensor:
    """Where each row of `tokens` (batch, context) is pooled: (batch,) positions."""
    tower = text_tower(model)
    if pooling(tower) == "argmax":
        return tokens.argmax(dim=-1)
    return tokens.eq(eos_id(tower)).int().argmax(dim=-1)


def causal_features(tower: Model, embedded: Tensor, ends: Tensor) -> Tensor:
    """The features of a causal tower that pools at EOT, from its token embeddings.

    embedded: (batch, length, width), without positions; no row may end behind `length`. ends:
    (batch,) positions of EOT. Returns (batch, dim).
    """
    length = embedded.shape[1]
    dtype = tower.transformer.get_cast_dtype()
    hidden = embedded.to(dtype) + tower.positional_embedding[:length].to(dtype)
    pooled = _pooled(tower.transformer, hidden, tower.attn_mask[:length, :length], ends)
    return projected(tower, tower.ln_final(pooled))


def _pooled(transformer: Model, hidden: Tensor, mask: Tensor, ends: Tensor) -> Tensor:
    """What a causal transformer makes of each row at its own end: (batch, length, width) and
    (batch,) positions to (batch, width). All that is read of the last block is that position."""
    rows, last = torch.arange(len(ends), device=hidden.device), transformer.resblocks[-1]
    plain = type(last) is ResidualAttentionBlock and type(last.attn) is nn.MultiheadAttention
    if not plain or not transformer.batch_first or transformer.grad_checkpointing:
        found: Tensor = transformer(hidden, attn_mask=mask)[rows, ends]
        return found
    for block in transformer.resblocks[:-1]:
        hidden = block(hidden, attn_mask=mask)
    return _block_at_ends(last, hidden, rows, ends)


def _block_at_ends(block: Model, hidden: Tensor, rows: Tensor, ends: Tensor) -> Tensor:
    """A pre-norm block at one position a row, which sees all up to it: (batch, width)."""
    seen = block.ln_1(hidden)
    behind = torch.arange(hidden.shape[1], device=hidden.device)[None] > ends[:, None]
    query = seen[rows, ends][:, None]
    told, _ = block.attn(query, seen, seen, key_padding_mask=behind, need_weights=False)
    found = hidden[rows, ends] + block.ls_1(told[:, 0])
    pooled: Tensor = found + block.ls_2(block.mlp(block.ln_2(found)))
    return pooled


def projected(tower: Model, pooled: Tensor) -> Tensor:
    """From the text transformer's width to the features' dim, (batch, dim)."""
    if isinstance(tower.text_projection, nn.Linear):
        features: Tensor = tower.text_projection(pooled)
        return features
    return pooled if tower.text_projection is None else pooled @ tower.text_projection
