"""A tiny backbone of random weights, pictures of plain colours and a few captions to train on."""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from backend.composition.artefact import ComposedModel, untrained_model
from backend.encoding.backbone import BackboneSpec, load_backbone
from tests.backend.search.shop import COLOURS, picture, write_tiny_backbone
from workers.recipes.recipe import Parameters, Training
from workers.trainer.features import FeatureCache
from workers.trainer.objective import Line

CAPTIONS = [
    f"a {one} {what} with a {other} belt"
    for what in ("dress", "shirt", "coat")
    for one, other in pairwise(COLOURS)
]


def tiny_model(folder: Path) -> ComposedModel:
    """A model of 16 features and a text tower of width 32 that reads 12 tokens."""
    write_tiny_backbone(folder / "backbone")
    spec = BackboneSpec(f"local-dir:{folder / 'backbone'}")
    return untrained_model(load_backbone(spec, "cpu", 1))


def training(
    model: ComposedModel, data: Path, out: Path, parameters: Parameters, **others: Any
) -> tuple[Training, list[Line]]:
    """A run as `akin train` starts it, and the lines that it will report."""
    lines: list[Line] = []
    cache = FeatureCache(out.parent / "features")
    return Training(data, out, parameters, model, cache, report=lines.append, **others), lines


def write_pictures(folder: Path) -> Path:
    """Sixteen pictures of one or two colours."""
    folder.mkdir(parents=True)
    for number, colour in enumerate(COLOURS):
        (folder / f"{colour}.jpg").write_bytes(picture(colour))
        striped = picture(colour, COLOURS[number - 1])
        (folder / f"{colour}-striped.jpg").write_bytes(striped)
    return folder


def write_captions(path: Path, captions: list[str] = CAPTIONS) -> Path:
    path.write_text("\n".join(captions) + "\n")
    return path


def write_wardrobe(folder: Path) -> Path:
    """A Wardrobe of eight products a split, whose triplets go from each to the next."""
    (folder / "captions").mkdir(parents=True)
    (folder / "image_splits").mkdir()
    (folder / "images").mkdir()
    rows = []
    for number, split in enumerate(("train", "val", "test")):
        names = [f"{split}-{colour}" for colour in COLOURS]
        for name, colour in zip(names, COLOURS, strict=True):
            stripe = COLOURS[(COLOURS.index(colour) + number + 1) % len(COLOURS)]
            (folder / "images" / f"{name}.jpg").write_bytes(picture(colour, stripe))
            rows.append([name, f"A {colour} {split} dress", "dress", split])
        told = [
            {"candidate": one, "target": other, "captions": [f"is {other.split('-')[1]}", "longer"]}
            for one, other in pairwise(names)
        ]
        (folder / "captions" / f"cap.wardrobe.{split}.json").write_text(json.dumps(told))
        (folder / "image_splits" / f"split.wardrobe.{split}.json").write_text(json.dumps(names))
    with (folder / "products.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["sku", "title", "category", "split"], *rows])
    return folder
