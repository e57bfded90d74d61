"""A small Wardrobe, a tiny backbone, and the work that a child does on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backend.composition.card import BackboneCard
from tests.backend.search.shop import write_tiny_backbone
from workers.datasets.wardrobe.dataset import write_dataset
from workers.training_process import reports_of
from workers.training_spec import Ended, ModelSpec, Report, TrainWork

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


def write_work(home: Path, work: TrainWork) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    path = home / "work.json"
    path.write_text(work.model_dump_json())
    return path


def run_to_its_end(path: Path) -> list[Report]:
    """What the child says."""
    return [one for one in reports_of(path, lambda: False) if one is not None]


def ended(reports: list[Report]) -> Ended:
    assert isinstance(reports[-1], Ended), reports[-1]
    return reports[-1]
