"""Pseudo tokens in the text tower: a vector in the place of a word's embedding.

Textual inversion maps a picture to a vector of the token embeddings' width and reads it in a
sentence (Saito et al. 2023, "Pic2Word", section 3; Gu et al. 2024, "LinCIR", section 3). Gradients
reach the vector, so that the network which made it can be trained through a frozen tower.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from open_clip.transformer import text_global_pool
from torch import Tensor

from backend.encoding.towers import (
    Model,
    causal_features,
    eos_id,
    eot_positions,
    pooled_at_eot,
    pooling,
    projected,
    text_tower,
    trims,
)
from backend.errors import InvalidInput


def check_injectable(model: Model) -> None:
    """Raises InvalidInput for a text tower that is not open_clip's own transformer."""
    if not hasattr(text_tower(model), "token_embedding"):
        raise InvalidInput(
            "This backbone's text tower is a Hugging Face model, into which no pseudo token can be "
            "put: use a backbone with open_clip's own text tower, or a composer that reads "
            "pictures as features (sum, slerp, product, a Combiner)."
        )


def token_width(model: Model) -> int:
    """The width of the token embeddings, and so of a pseudo token; errors as `check_injectable`."""
    check_injectable(model)
    return int(text_tower(model).token_embedding.embedding_dim)


def injected_features(
    model: Model, tokens: Tensor, positions: Tensor | Sequence[int], pseudo: Tensor
) -> Tensor:
    """Un-normalised text features where every marked position of row r holds pseudo[r], (n, dim).

    tokens: (n, context) ids; those at marked positions are not read, and must be neither the end
    of the text nor padding. positions: (n, context) bool, or one position a row. pseudo:
    (n, width). Trimmed to the longest text where that is exact. Errors as `check_injectable`.
    """
    check_injectable(model)
    tower, marked = text_tower(model), _as_mask(positions, tokens)
    if not trims(model):
        return _whole_context(tower, tokens, marked, pseudo)
    ends = eot_positions(model, tokens)
    length = int(ends.max()) + 1
    embedded = _filled(tower.token_embedding(tokens[:, :length]), marked[:, :length], pseudo)
    return causal_features(tower, embedded, ends)


def appended_features(model: Model, tokens: Tensor, pseudo: Tensor) -> Tensor:
    """The same with the pseudo token behind the last word: what Pic2Word trains on, (n, dim).

    It takes the place of EOT, which moves on by one; the last position of the context is dropped
    (Saito et al. 2023, section 3.1). tokens: (n, context); pseudo: (n, width).

    Raises InvalidInput as `check_injectable`, for a tower that does not pool at EOT, and for a
    text that fills the whole context.
    """
    check_injectable(model)
    if not pooled_at_eot(model):
        raise InvalidInput(
            "This backbone's text tower does not pool at the end of the text, so nothing can be "
            "appended there: train with a prompt that has a place for the picture."
        )
    ends = eot_positions(model, tokens)[:, None]
    if bool((ends == tokens.shape[1] - 1).any()):
        raise InvalidInput(
            "A text fills the whole context, so no pseudo token fits behind it: use a shorter one."
        )
    places = torch.arange(tokens.shape[1], device=tokens.device)[None]
    moved = tokens.gather(1, places - (places > ends).long())
    inserted = places == ends
    # The id under the pseudo token only must not be taken for EOT: the first of the row is not.
    return injected_features(model, torch.where(inserted, tokens[:, :1], moved), inserted, pseudo)


def _as_mask(positions: Tensor | Sequence[int], tokens: Tensor) -> Tensor:
    given = torch.as_tensor(positions, device=tokens.device)
    if given.dtype == torch.bool:
        return given
    return torch.arange(tokens.shape[1], device=tokens.device)[None] == given[:, None]


def _filled(embedded: Tensor, marked: Tensor, pseudo: Tensor) -> Tensor:
    return torch.where(marked[..., None], pseudo[:, None].to(embedded.dtype), embedded)


def _whole_context(tower: Model, tokens: Tensor, marked: Tensor, pseudo: Tensor) -> Tensor:
    """For towers that look both ways, mask padding, or pool elsewhere: nothing is trimmed."""
    hidden, mask = _embedded(tower, tokens)
    length = tokens.shape[1]
    placed = pseudo[:, None] + tower.positional_embedding[:length]
    words = torch.where(marked[..., None], placed.to(hidden.dtype), hidden[:, :length])
    hidden = tower.transformer(torch.cat([words, hidden[:, length:]], dim=1), attn_mask=mask)
    if getattr(tower, "cls_emb", None) is not None:  # CoCa's class token stands behind the text
        return projected(tower, tower.ln_final(hidden[:, -1]))
    read = tower.ln_final(hidden)
    pooled: Tensor = text_global_pool(read, tokens, pooling(tower), eos_token_id=eos_id(tower))
    return projected(tower, pooled)


def _embedded(tower: Model, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
    """Embeddings with their positions, and the attention mask, as open_clip makes them."""
    if hasattr(tower, "_embeds"):
        hidden, mask = tower._embeds(tokens)
        return hidden, mask
    dtype = tower.transformer.get_cast_dtype()
    hidden = tower.token_embedding(tokens).to(dtype) + tower.positional_embedding.to(dtype)
    return hidden, tower.attn_mask
