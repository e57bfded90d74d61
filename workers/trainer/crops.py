"""Random crops of pictures, as Pic2Word's published training looks at them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.encoding.decoding import decode_image

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]

SCALE = (0.9, 1.0)  # of the picture's area
RATIO = (3 / 4, 4 / 3)  # width by height
TRIES = 10


def random_crops(
    pictures: Sequence[tuple[int, Path | bytes]], size: int, seed: int, epoch: int
) -> Pixels:
    """Crops of numbered pictures, (n, 3, size, size): 0.9 to 1 of the area, the sides changed by
    up to a third, resized by bicubic interpolation (Saito et al. 2023, published code).

    A pure function of seed, epoch and number. Raises UnsupportedImage, TooLarge or OSError where a
    picture cannot be read.
    """
    return np.stack(
        [_crop(picture, size, [seed, epoch, number, 2]) for number, picture in pictures]
    )


def crop_box(width: int, height: int, numbers: np.random.Generator) -> Box:
    """Left, top, right and bottom of a random crop, in whole pixels.

    Where ten draws do not fit into a long picture, the largest crop of an allowed shape is taken
    from its centre.
    """
    for _ in range(TRIES):
        area = width * height * numbers.uniform(*SCALE)
        ratio = math.exp(numbers.uniform(math.log(RATIO[0]), math.log(RATIO[1])))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            left = int(numbers.integers(0, width - wide + 1))
            top = int(numbers.integers(0, height - high + 1))
            return left, top, left + wide, top + high
    wide = min(width, max(1, round(height * RATIO[1])))
    high = min(height, max(1, round(width / RATIO[0])))
    left, top = (width - wide) // 2, (height - high) // 2
    return left, top, left + wide, top + high


def _crop(picture: Path | bytes, size: int, seed: Sequence[int]) -> Pixels:
    data = picture if isinstance(picture, bytes) else picture.read_bytes()
    name = "a picture" if isinstance(picture, bytes) else str(picture)
    image = decode_image(data, draft=2 * size, name=name)
    box = crop_box(image.width, image.height, np.random.default_rng(seed))
    seen = image.resize((size, size), Image.Resampling.BICUBIC, box=box)
    return np.ascontiguousarray(np.asarray(seen).transpose(2, 0, 1))
