"""A text tower in training: what plain AdamW over all of it gives, without the work that moves
nothing.

Of the token embeddings only rows whose tokens occur in the training texts ever have a gradient: a
few hundred or thousand of 49,408. They are trained as a small table of their own. All that AdamW
does to the others is to decay them by the same factor, so one number is trained in their place.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from backend.encoding.towers import (
    Model,
    causal_features,
    eot_positions,
    text_features,
    text_tower,
    trims,
)
from workers.trainer.trained_towers import of_text

ROWS, OTHERS = "token_embedding.rows", "token_embedding.others"
GROUP = 32
"""Captions of about one length that a processor reads at a time; a GPU reads all at once."""


class TextTraining:
    """The text tower of a model, and the texts that it is trained on.

    All of it is trained in place but the token embeddings, which the model has after `put_back`.
    A tower that reads more than what stands before the end of a text is trained as it is.
    """

    def __init__(self, model: Model, tokens: Tensor) -> None:
        """tokens: (texts, context) ids, on the model's device. What is frozen stays so."""
        self._model, self._tokens = model, tokens
        self._ends: Tensor | None = None
        self._table: _Table | None = None
        if not trims(model):
            return
        self._ends = eot_positions(model, tokens)
        self._tokens = tokens[:, : int(self._ends.max()) + 1].contiguous()
        embedding = text_tower(model).token_embedding
        if embedding.weight.requires_grad:
            self._table = _Table(embedding.weight, torch.unique(self._tokens))
            self._tokens = torch.searchsorted(self._table.used, self._tokens)

    def trained(self) -> Mapping[str, Tensor]:
        """The parameters to train, by name; those of a table stand for the model's embeddings."""
        named = self._model.named_parameters()
        own = {name: one for name, one in named if of_text(name) and one.requires_grad}
        if self._table is None:
            return own
        return {**own, ROWS: self._table.rows, OTHERS: self._table.others}

    def features(self, texts: Tensor) -> Tensor:
        """Un-normalised features of some of the texts, (k,) row numbers -> (k, dim)."""
        texts = texts.to(self._tokens.device)
        if self._ends is None:
            return text_features(self._model, self._tokens[texts])
        order = self._ends[texts].argsort(stable=True)
        width = GROUP if self._tokens.device.type == "cpu" else len(texts)
        groups = torch.split(texts[order], width)  # each is trimmed to its own longest
        return torch.cat([self._read(rows, self._ends[rows]) for rows in groups])[order.argsort()]

    def put_back(self) -> None:
        """Gives the model the token embeddings as they are now."""
        if self._table is not None:
            self._table.put_back()

    def _read(self, texts: Tensor, ends: Tensor) -> Tensor:
        tower = text_tower(self._model)
        embed = tower.token_embedding if self._table is None else self._table.embedded
        return causal_features(tower, embed(self._tokens[texts, : int(ends.max()) + 1]), ends)


class _Table:
    """The rows of an embedding that are used, and the factor by which all others have shrunk."""

    def __init__(self, weight: nn.Parameter, used: Tensor) -> None:
        """weight: (vocabulary, width), frozen from here on. used: (rows,) ids in order."""
        self.used, self._weight = used, weight.requires_grad_(False)
        self._before = weight.detach().clone()
        self.rows = nn.Parameter(self._before[used])
        # A step's decay, of some 1e-7, would be lost in rounding where the number has 24 bits.
        self.others = nn.Parameter(torch.ones(1, dtype=torch.float64, device=weight.device))

    def embedded(self, numbers: Tensor) -> Tensor:
        """(batch, length) numbers of rows -> (batch, length, width)."""
        still = (0 * self.others).to(self.rows.dtype)  # a gradient of zero, as the others have
        return functional.embedding(numbers, self.rows) + still

    @torch.no_grad()
    def put_back(self) -> None:
        self._weight.copy_(self._before * self.others)
        self._weight[self.used] = self.rows
