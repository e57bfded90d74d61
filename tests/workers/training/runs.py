"""A small Wardrobe, a tiny backbone, and the work that a child does on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backend.composition.card import BackboneCard
from tests.backend.search.shop import write_tiny_backbone
from workers.datasets.wardrobe.dataset import write_dataset
from workers.training_process import Child
from workers.training_spec import Ended, ModelSpec, Report, TrainWork, Work

SMALL: dict[str, Any] = {
    "batch": 20, "epochs": 6, "lr": 0.003, "projection": 2, "hidden": 2, "dropout": 0.2, "scale": 20
}  # fmt: skip


def write_wardrobe(folder: Path) -> Path:
    """Twelve families of six, drawn small."""
    write_dataset(folder, 72, size=48)
    return folder


def tiny_parent(folder: Path) -> ModelSpec:
    """The plain sum over a backbone of random weights."""
    write_tiny_backbone(folder / "tiny")
    card = BackboneCard(name=f"local-dir:{folder / 'tiny'}")
    return ModelSpec(name="tiny · sum", backbone=card, composer="sum")


def train_work(home: Path, data: Path, parent: ModelSpec, **others: Any) -> TrainWork:
    given: dict[str, Any] = {
        "recipe": "combiner", "parameters": SMALL, "parent": parent, "name": "a combiner",
        "data": data, "out": home / "run", "cache": home / "features", "device": "cpu",
        "threads": 1, "segment_seconds": 600,
    }  # fmt: skip
    return TrainWork(**(given | others))


def heard_out(child: Child, work: Work) -> list[Report]:
    """What the child says of a work that nobody stops."""
    return [one for one in child.do(work, lambda: False) if one is not None]


def ended(reports: list[Report]) -> Ended:
    assert isinstance(reports[-1], Ended), reports[-1]
    return reports[-1]
