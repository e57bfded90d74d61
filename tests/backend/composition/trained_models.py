"""Small models over a tiny backbone of random weights, as artefacts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from backend.composition.artefact import ModelCard, write_artefact
from backend.composition.networks import Combiner, Im2Text, Network, Phi
from backend.composition.sphere import Vectors
from backend.encoding.backbone import Backbone
from tests.backend.composition.strategies import vectors

PROMPT = "photo of a $ that {}"
KINDS = ("combiner", "phi", "im2text")
TEXTS = ("in red", "with long sleeves", "", "$ 5 $ ($)")


def images(backbone: Backbone, count: int = len(TEXTS)) -> Vectors:
    """Features of so many pictures, to be asked with the texts."""
    return vectors(2, count, backbone.dim)


def network(kind: str, backbone: Backbone, seed: int = 0) -> Network:
    """A random network of that kind whose sizes fit the backbone."""
    torch.manual_seed(seed)
    dim, width = backbone.dim, backbone.token_width
    if kind == "combiner":
        return Combiner(dim, 2 * dim, 4 * dim).eval()
    return (Phi(dim, width) if kind == "phi" else Im2Text(dim, width, middle=24)).eval()


def card(backbone: Backbone, kind: str, **changes: Any) -> ModelCard:
    """A card of that kind for the backbone; `changes` replace whole fields."""
    spec = backbone.spec
    facts = {
        "name": f"my-{kind}",
        "recipe": kind,
        "backbone": {
            "name": spec.name,
            "pretrained": spec.pretrained,
            "preprocessing": spec.preprocessing,
        },
        "fingerprint": backbone.fingerprint,
        "text_fingerprint": backbone.text_fingerprint,
        "dim": backbone.dim,
        "composer": {"kind": kind, "prompt": PROMPT if kind in ("phi", "im2text") else None},
        "created": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return ModelCard.model_validate({**facts, **changes})


def write_model(folder: Path, backbone: Backbone, kind: str, **changes: Any) -> Path:
    """An artefact, with a random network where its kind has one; the folder."""
    made = network(kind, backbone).state_dict() if kind in KINDS else None
    write_artefact(folder, card(backbone, kind, **changes), composer=made)
    return folder
