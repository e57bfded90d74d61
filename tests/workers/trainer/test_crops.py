"""Random crops: their area, their shape, and that they repeat."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from backend.errors import UnsupportedImage
from workers.trainer.crops import crop_box, random_crops


def numbers(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_crops_keep_nine_tenths_of_the_area_and_a_third_of_the_shape():
    source = numbers()
    for _ in range(500):
        left, top, right, bottom = crop_box(400, 300, source)
        assert 0 <= left < right <= 400
        assert 0 <= top < bottom <= 300
        area = (right - left) * (bottom - top) / (400 * 300)
        assert 0.89 < area <= 1
        assert 0.74 < (right - left) / (bottom - top) < 1.35


def test_of_a_long_picture_the_middle_is_taken():
    assert crop_box(1000, 100, numbers()) == (433, 0, 566, 100)
    assert crop_box(100, 1000, numbers()) == (0, 433, 100, 566)


def test_a_crop_is_a_function_of_seed_epoch_and_number():
    buffer = io.BytesIO()
    ramp = np.tile(np.arange(200, dtype=np.uint8), (160, 1))
    Image.fromarray(np.dstack([ramp, ramp, ramp])).save(buffer, "PNG")
    data = buffer.getvalue()

    def crop(number: int, seed: int, epoch: int) -> bytes:
        return random_crops([(number, data)], 32, seed, epoch).tobytes()

    assert crop(0, 0, 0) == crop(0, 0, 0)
    assert len({crop(0, 0, 0), crop(1, 0, 0), crop(0, 1, 0), crop(0, 0, 1)}) == 4


def test_a_picture_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"nothing")
    with pytest.raises(UnsupportedImage, match=r"broken\.jpg"):
        random_crops([(0, path)], 32, 0, 0)
