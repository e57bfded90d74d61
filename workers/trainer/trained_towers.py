"""What recipes that train a backbone's towers share: which tensors are whose, and what changed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from backend.composition.artefact import ComposedModel
from backend.encoding.backbone import load_backbone

IMAGE_TOWER = "visual."
"""What the tensors of an image tower are called; all others are the text side's."""

TEMPERATURE = ("logit_scale", "logit_bias")
"""Of CLIP's own loss, which no recipe here uses."""


def of_image(name: str) -> bool:
    """Whether a tensor of a backbone's model is the image tower's."""
    return name.startswith(IMAGE_TOWER)


def of_text(name: str) -> bool:
    """Whether a tensor of a backbone's model is the text side's."""
    return not of_image(name) and name not in TEMPERATURE


def sum_of_features(images: Tensor, texts: Tensor) -> Tensor:
    """Queries of towers that are trained for it: un-normalised features, (n, dim) each, to the
    unit vectors of their sum (Baldrati et al. 2022, section 3.1)."""
    return functional.normalize(images + texts, dim=-1)


def changed_towers(model: Any, base: Any) -> dict[str, Tensor]:
    """The tensors of a model that differ from those its parent backbone comes with: what an
    artefact keeps. Both are open_clip's."""
    before = base.state_dict()
    now = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    return {
        name: tensor.clone()
        for name, tensor in now.items()
        if not torch.equal(tensor, before[name].cpu())
    }


def towers_of(parent: ComposedModel) -> dict[str, Tensor]:
    """The tensors in which a parent's towers differ from the backbone that its card names: a model
    on top of trained towers keeps them too, since it is found by that name."""
    if parent.card.recipe == "none":
        return {}
    return changed_towers(
        parent.backbone.model, load_backbone(parent.card.backbone.spec, "cpu").model
    )
