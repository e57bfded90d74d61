"""Training pictures as one uint8 array on disk: Wardrobe drawn ahead, photos decoded once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.encoding.decoding import decode_image
from backend.encoding.preprocessing import Preprocessing
from backend.errors import InvalidInput
from workers.datasets.wardrobe.attributes import CATEGORIES
from workers.datasets.wardrobe.drawing import draw
from workers.datasets.wardrobe.families import Family, families
from workers.datasets.wardrobe.garments import Garment
from workers.trainer.claims import UNKNOWN, Codes, picture_codes

Pixels = NDArray[np.uint8]
DRAWN_AT = 192  # pixels; then reduced as any catalogue picture is
FAMILIES_PER_SEED = 500  # few enough that even the category with the fewest looks can supply them


@dataclass(frozen=True)
class DrawnPictures:
    """pixels (families, members, 3, size, size), codes (families, members, attributes)."""

    pixels: Pixels
    codes: Codes
    garments: list[tuple[Garment, ...]]


@dataclass(frozen=True)
class Photos:
    """pixels (photos, 3, size, size) and codes (photos, attributes), the category alone known."""

    pixels: Pixels
    codes: Codes
    categories: list[str]


def training_families(count: int) -> list[Family]:
    """`count` families of the training role. Within 500 no look repeats; beyond, one may come
    again with another picture."""
    counts = [FAMILIES_PER_SEED] * (count // FAMILIES_PER_SEED) + [count % FAMILIES_PER_SEED]
    return [f for seed, some in enumerate(counts) for f in families("train", some, seed)]


def drawn_pictures(folder: Path, count: int, size: int, workers: int = 2) -> DrawnPictures:
    """Training families with their pictures, drawn once into `folder` and read from there after."""
    source = training_families(count)
    path = folder / f"pictures-{_recipe_hash(source, size)}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _draw_all(source, size, path, workers)
    codes = [[picture_codes(item.garment.visible()) for item in f.items] for f in source]
    garments = [tuple(item.garment for item in family.items) for family in source]
    return DrawnPictures(np.load(path, mmap_mode="r"), np.array(codes), garments)


def _recipe_hash(source: Sequence[Family], size: int) -> str:
    facts = [(item.garment.signature(), item.seed) for f in source for item in f.items]
    return hashlib.sha256(json.dumps([size, facts]).encode()).hexdigest()[:16]


def _draw_all(source: Sequence[Family], size: int, path: Path, workers: int) -> None:
    aside = path.with_suffix(".partial")
    shape = (len(source), len(source[0].items), 3, size, size)
    out = np.lib.format.open_memmap(aside, mode="w+", dtype=np.uint8, shape=shape)
    chunks = [(source[i : i + 50], size) for i in range(0, len(source), 50)]
    with ProcessPoolExecutor(workers) as pool:
        for i, drawn in enumerate(pool.map(_draw_chunk, chunks)):
            out[i * 50 : i * 50 + len(drawn)] = drawn
    out.flush()
    aside.replace(path)


def _draw_chunk(chunk: tuple[Sequence[Family], int]) -> Pixels:
    source, size = chunk
    see = Preprocessing(kind="clip", size=size).pixels
    return np.stack(
        [[see(draw(item.garment, item.seed, DRAWN_AT)) for item in f.items] for f in source]
    )


def photo_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """(category, file) of `folder`/<category>/*.jpg for the categories of Wardrobe, in order."""
    for category in CATEGORIES:
        for path in sorted((folder / category).glob("*.jpg")):
            yield category, path


def load_photos(folder: Path, see: Preprocessing) -> Photos:
    """Every photo of a split folder (<category>/*.jpg), preprocessed."""
    files = list(photo_files(folder))
    if not files:
        raise InvalidInput(f"There are no photos in {folder}: it needs <category>/*.jpg.")
    pixels = [see.pixels(_open(path)) for _, path in files]
    codes = [picture_codes({"category": category}, UNKNOWN) for category, _ in files]
    return Photos(np.stack(pixels), np.stack(codes), [category for category, _ in files])


def _open(path: Path) -> Image.Image:
    return decode_image(path.read_bytes(), name=str(path))
