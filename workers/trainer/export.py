"""A trained backbone as the folder Akin ships: configuration, half-precision weights, card."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from backend.encoding.backbone import Backbone, load_backbone
from backend.encoding.loading import CARD
from backend.encoding.preprocessing import Preprocessing
from backend.encoding.spec import FOLDER, BackboneSpec
from backend.encoding.towers import Model
from workers.datasets.wardrobe.drawing import draw
from workers.datasets.wardrobe.families import families, triplets
from workers.trainer.evaluation import (
    PHOTO_FRAME,
    composed_recall,
    encode_in_batches,
    photo_accuracy,
    questions,
    unit,
)
from workers.trainer.pictures import DRAWN_AT
from workers.trainer.vocabulary import training_vocabulary

ABOUT = "a small CLIP trained from scratch on drawn garments and their captions"
CONFIG = "open_clip_config.json"  # the names open_clip looks for
WEIGHTS = "model.safetensors"
EVEN_NORM = 10.0  # METHODS, policy 9


def export(
    model: Model,
    architecture: dict[str, Any],
    folder: Path,
    facts: dict[str, Any],
    photos: Path | None,
    held_out: int = 300,
) -> None:
    """Writes `folder`: norms evened, then measured as anyone will load it.

    facts: command, steps, seconds and machine, for the card; photos: folder of <category>/*.jpg
    for the zero-shot figure; held_out: how many families the figures are of.
    """
    folder.mkdir(parents=True, exist_ok=True)
    see = Preprocessing(kind="clip", size=int(architecture["vision_cfg"]["image_size"]))
    write_config(folder, architecture, see)
    write_weights(folder, model)
    pixels, captions = training_pictures(see), training_captions()
    _even_norms(folder, model, pixels, captions)
    backbone = _loaded(folder)
    figures = _figures(backbone, photos, held_out)
    card = {"about": ABOUT, **facts, "figures": figures, **_means(backbone, pixels, captions)}
    write_card(folder, {**card, "vocabulary": training_vocabulary(photos=photos is not None)})


def training_pictures(see: Preprocessing, count: int = 80) -> NDArray[np.uint8]:
    """Pictures of training families, preprocessed (6 * count, 3, size, size)."""
    items = [item for family in families("train", count) for item in family.items]
    return np.stack([see.pixels(draw(item.garment, item.seed, DRAWN_AT)) for item in items])


def training_captions(count: int = 400) -> list[str]:
    """Relative captions of training families: the sentences whose mean a query is centred by."""
    return [t.caption for t in triplets(families("train", count // 5), "train")]


def write_config(folder: Path, architecture: dict[str, Any], see: Preprocessing) -> None:
    config = {
        "model_cfg": architecture,
        "preprocess_cfg": {
            "mean": see.mean,
            "std": see.std,
            "interpolation": see.interpolation,
            "resize_mode": "shortest",
            "size": see.size,
        },
    }
    _write(folder / CONFIG, json.dumps(config, indent=1).encode())


def write_card(folder: Path, card: dict[str, Any]) -> None:
    _write(folder / CARD, f"{json.dumps(card, indent=1)}\n".encode())


def write_weights(folder: Path, model: Model) -> None:
    """Floating-point weights in half precision; counters as they are."""
    state = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in model.state_dict().items()
    }
    aside = folder / f"{WEIGHTS}.partial"
    save_file(state, aside)
    aside.chmod(0o644)
    aside.replace(folder / WEIGHTS)


def _even_norms(folder: Path, model: Model, pixels: NDArray[np.uint8], texts: list[str]) -> None:
    """Scales both projections so that either tower's features have a mean norm of 10."""
    backbone = _loaded(folder)
    image_norm, text_norm = _norms(backbone, pixels, texts)
    scaled = copy.deepcopy(model)
    with torch.no_grad():
        scaled.visual.head.proj.weight.mul_(EVEN_NORM / image_norm)
        scaled.text_projection.mul_(EVEN_NORM / text_norm)
    write_weights(folder, scaled)


def _norms(backbone: Backbone, pixels: NDArray[np.uint8], texts: list[str]) -> tuple[float, float]:
    images = np.linalg.norm(encode_in_batches(backbone, pixels), axis=1)
    words = np.linalg.norm(backbone.encode_texts(texts), axis=1)
    return float(images.mean()), float(words.mean())


def _means(backbone: Backbone, pixels: NDArray[np.uint8], texts: list[str]) -> dict[str, Any]:
    image_norm, text_norm = _norms(backbone, pixels, texts)
    image_mean = unit(encode_in_batches(backbone, pixels)).mean(axis=0)
    text_mean = unit(backbone.encode_texts(texts)).mean(axis=0)
    return {
        "mean_norms": {"image": round(image_norm, 3), "text": round(text_norm, 3)},
        "image_mean": [round(float(x), 6) for x in image_mean],
        "text_mean": [round(float(x), 6) for x in text_mean],
    }


def _figures(backbone: Backbone, photos: Path | None, held_out: int) -> dict[str, Any]:
    recall = composed_recall(backbone, questions(backbone, "heldout", held_out))
    accuracy = photo_accuracy(backbone, photos) if photos else None
    return {
        "wardrobe": {
            "protocol": f"{held_out} held-out families of 6, base to variant, reference removed, "
            f"whole gallery of {6 * held_out:,}; sum of unit features, no centring; percent",
            **{n: {f"R@{k}": round(v, 1) for k, v in r.items()} for n, r in recall.items()},
        },
        "photos_zero_shot_top1": None if accuracy is None else round(accuracy, 1),
        "photos_prompt": None if accuracy is None else PHOTO_FRAME,
    }


def _loaded(folder: Path) -> Backbone:
    return load_backbone(BackboneSpec(f"{FOLDER}{folder}"), device="cpu")


def _write(path: Path, data: bytes) -> None:
    aside = path.with_name(f"{path.name}.partial")
    aside.write_bytes(data)
    aside.replace(path)
