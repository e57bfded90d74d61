"""Texts as the published codes read them: padded to the whole context, whatever their length."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Model = Any  # open_clip has no types


def whole_texts(model: Model, tokens: Tensor) -> Tensor:
    """(n, dim) features of (n, context) ids, all positions run."""
    features: Tensor = model.encode_text(tokens)
    return features


def with_pseudo_tokens(model: Model, tokens: Tensor, marks: Tensor, pseudo: Tensor) -> Tensor:
    """(n, dim): the marked positions (n, context) of each text hold its pseudo token (n, width)
    (Gu et al. 2024, LinCIR, section 3.2)."""
    embedded = model.token_embedding(tokens)
    embedded = torch.where(marks[..., None], pseudo[:, None], embedded)
    return _read(model, embedded, tokens.argmax(dim=-1))


def with_last_word(model: Model, tokens: Tensor, pseudo: Tensor) -> Tensor:
    """(n, dim): the pseudo token (n, width) stands where the text (context,) ends, whose end moves
    on by one (Saito et al. 2023, Pic2Word, section 3.1)."""
    end = int(tokens.argmax())
    embedded = model.token_embedding(tokens).expand(len(pseudo), -1, -1)
    embedded = torch.cat([embedded[:, :end], pseudo[:, None], embedded[:, end:-1]], dim=1)
    return _read(model, embedded, torch.full((len(pseudo),), end + 1))


def _read(model: Model, embedded: Tensor, ends: Tensor) -> Tensor:
    hidden = model.transformer(embedded + model.positional_embedding, attn_mask=model.attn_mask)
    hidden = model.ln_final(hidden)
    features: Tensor = hidden[torch.arange(len(hidden)), ends] @ model.text_projection
    return features
