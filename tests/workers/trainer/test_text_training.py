"""A text tower trained by the rows that are used: the same as AdamW over all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.encoding.backbone import Backbone, BackboneSpec, load_backbone
from backend.encoding.towers import text_features
from tests.backend.search.shop import write_tiny_backbone
from workers.trainer.distributed import ALONE
from workers.trainer.options import FitOptions
from workers.trainer.order import Order, Rows
from workers.trainer.text_training import GROUP, OTHERS, ROWS, TextTraining
from workers.trainer.trained_towers import of_text
from workers.trainer.updating import Updates

TEXTS = [" ".join(["red", "dress", "with", "dots"] * 3)[: 3 + n % 40] for n in range(3 * GROUP)]
OPTIONS = FitOptions(batch=48, steps=6, lr=1e-2, weight_decay=0.3, eps=1e-3)


@pytest.fixture
def backbone(tmp_path) -> Backbone:
    spec = BackboneSpec(f"local-dir:{write_tiny_backbone(tmp_path / 'tiny')}")
    found = load_backbone(spec, device="cpu")
    for name, parameter in found.model.named_parameters():
        parameter.requires_grad_(of_text(name))
    return found


class Whole:
    """Sends texts to random features; all of the tower is trained, as it is."""

    in_batch = False

    def __init__(self, backbone: Backbone) -> None:
        self.model, self.tokens = backbone.model, backbone.tokenize(TEXTS)
        numbers = torch.Generator().manual_seed(0)
        self.wanted = torch.randn(len(TEXTS), backbone.dim, generator=numbers)

    @property
    def count(self) -> int:
        return len(TEXTS)

    def trained(self) -> Mapping[str, Tensor]:
        return {name: one for name, one in self.model.named_parameters() if of_text(name)}

    def train_mode(self) -> None: ...

    def load(self, rows: Rows, epoch: int) -> Tensor:
        return torch.from_numpy(rows)

    def encode(self, batch: Tensor) -> tuple[Tensor, ...]:
        return text_features(self.model, self.tokens[batch]), self.wanted[batch]

    def loss(self, features: tuple[Tensor, ...]) -> Tensor:
        return (features[0] - features[1]).square().mean()

    def facts(self) -> Mapping[str, Any]:
        return {}


class Parted(Whole):
    """The same by the rows that are used."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        self.words = TextTraining(self.model, self.tokens)

    def trained(self) -> Mapping[str, Tensor]:
        return self.words.trained()

    def encode(self, batch: Tensor) -> tuple[Tensor, ...]:
        return self.words.features(batch), self.wanted[batch]


def updated(objective: Whole, **changed: Any) -> list[float]:
    options = FitOptions(**{**vars(OPTIONS), **changed})
    updates = Updates(objective, options, Order(objective.count, 48, 0), 6, ALONE)
    return [updates.make(step, updates.load(step)) for step in range(6)]


@pytest.mark.parametrize("changed", [{}, {"chunk": 7}, {"clip": 0.1}, {"precision": "bf16"}])
def test_the_weights_are_those_of_adamw_over_the_whole_tower(tmp_path, changed):
    spec = BackboneSpec(f"local-dir:{write_tiny_backbone(tmp_path / 'tiny')}")
    start, plain, parted = (load_backbone(spec, device="cpu") for _ in range(3))
    for found in (plain, parted):
        for name, parameter in found.model.named_parameters():
            parameter.requires_grad_(of_text(name))
    rough = 100 if "precision" in changed else 1
    one, other = Whole(plain), Parted(parted)
    assert updated(other, **changed) == pytest.approx(updated(one, **changed), rel=1e-4 * rough)
    other.words.put_back()
    own, theirs, before = (dict(b.model.named_parameters()) for b in (parted, plain, start))
    for name in own:
        torch.testing.assert_close(own[name], theirs[name], rtol=1e-3, atol=1e-4 * rough)
    unseen = np.setdiff1d(np.arange(1000), one.tokens.unique())
    table = "token_embedding.weight"
    # AdamW: w - lr * decay * w, six times
    shrunk = before[table][unseen] * (1 - 1e-2 * 0.3) ** 6
    torch.testing.assert_close(own[table][unseen], shrunk, rtol=1e-6, atol=0)
    torch.testing.assert_close(theirs[table][unseen], shrunk, rtol=1e-6, atol=0)


def test_features_come_in_the_order_that_is_asked_for(backbone):
    tokens = backbone.tokenize(TEXTS)
    rows = torch.from_numpy(np.random.default_rng(0).permutation(len(TEXTS))[: 2 * GROUP + 5])
    with torch.no_grad():
        expected = text_features(backbone.model, tokens[rows])
        found = TextTraining(backbone.model, tokens).features(rows)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_only_rows_of_tokens_that_occur_are_trained(backbone):
    tokens = backbone.tokenize(TEXTS)
    trained = TextTraining(backbone.model, tokens).trained()
    ends = tokens.argmax(dim=1)
    assert len(trained[ROWS]) == len(tokens[:, : int(ends.max()) + 1].unique())
    assert trained[OTHERS].shape == (1,)
    assert not any("token_embedding.weight" in name for name in trained)


def test_a_frozen_tower_stays_as_it_is(backbone):
    backbone.model.requires_grad_(False)
    words = TextTraining(backbone.model, backbone.tokenize(TEXTS))
    before = backbone.text_fingerprint
    words.put_back()
    assert words.trained() == {}
    assert not words.features(torch.arange(3)).requires_grad
    assert backbone.text_fingerprint == before
