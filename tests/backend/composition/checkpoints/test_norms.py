from __future__ import annotations

import pytest
import torch

from backend.composition.checkpoints.norms import Norms, evened
from backend.errors import InvalidInput


def test_both_projections_are_scaled_to_ten_with_their_biases():
    state = {
        "visual.attnpool.c_proj.weight": torch.full((2, 2), 4.0),
        "visual.attnpool.c_proj.bias": torch.full((2,), 2.0),
        "text_projection": torch.full((2, 2), 3.0),
        "logit_scale": torch.tensor(4.6),
    }
    scaled = evened(state, Norms(image=5.0, text=30.0))
    assert {name: float(t.flatten()[0]) for name, t in scaled.items()} == pytest.approx(
        {
            "visual.attnpool.c_proj.weight": 8.0,
            "visual.attnpool.c_proj.bias": 4.0,
            "text_projection": 1.0,
        }
    )


@pytest.mark.parametrize(
    ("state", "side"),
    [({"text_projection": torch.ones(1)}, "image"), ({"visual.proj": torch.ones(1)}, "text")],
)
def test_a_tower_without_a_projection_is_told(state, side):
    with pytest.raises(InvalidInput, match=f"The {side} tower ends in no projection"):
        evened(state, Norms(1.0, 2.0))


def test_the_ratio_says_how_much_longer_an_image_feature_is():
    assert Norms(image=21.0, text=3.0).ratio == 7.0
