"""The three ways to make a picture square: right by default, the published order on request."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import functional
from torchvision.transforms.functional import InterpolationMode

from backend.encoding.preprocessing import Preprocessing

KINDS = ("clip", "squarepad", "targetpad")
MODES = ("RGB", "L", "CMYK", "P", "1", "RGBA")


def picture(width, height, mode="RGB", seed=0):
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (max(1, height // 8), max(1, width // 8), 3)).astype(np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def published(image, kind, size, ratio=1.25):
    """Pad, resize, crop, RGB, by METHODS A.5, with the transforms the published code stands on."""
    width, height = image.size
    if kind == "squarepad":
        side = max(width, height)
        across, down = int((side - width) / 2), int((side - height) / 2)
        image = functional.pad(image, [across, down, across, down], 0, "constant")
    elif kind == "targetpad" and max(width, height) / min(width, height) >= ratio:
        side = max(width, height) / ratio
        across, down = max(int((side - width) / 2), 0), max(int((side - height) / 2), 0)
        image = functional.pad(image, [across, down, across, down], 0, "constant")
    image = functional.resize(image, size, InterpolationMode.BICUBIC)
    image = functional.center_crop(image, [size, size])
    return np.asarray(image.convert("RGB")).transpose(2, 0, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(301, 600), (600, 301), (90, 90), (100, 125), (40, 33)])
def test_parity_is_the_published_order_to_the_last_bit(kind, mode, shape):
    image = picture(shape[0], shape[1], mode)
    mine = Preprocessing(kind=kind, size=64, parity=True).pixels(image)
    np.testing.assert_array_equal(mine, published(image, kind, 64))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(301, 600), (600, 301), (90, 90)])
def test_an_rgb_picture_is_the_same_in_either_order(kind, shape):
    image = picture(*shape)
    default = Preprocessing(kind=kind, size=64).pixels(image)
    np.testing.assert_array_equal(default, Preprocessing(kind, 64, parity=True).pixels(image))


@pytest.mark.parametrize(
    ("kind", "shape", "padded"),
    [
        ("clip", (301, 600), (301, 600)),
        ("squarepad", (301, 600), (599, 600)),
        ("targetpad", (301, 600), (479, 600)),
        ("targetpad", (600, 301), (600, 479)),
        ("targetpad", (480, 599), (480, 599)),
    ],
)
def test_odd_differences_leave_one_pixel(kind, shape, padded):
    assert Preprocessing(kind=kind)._pad(picture(*shape)).size == padded


def test_a_cmyk_picture_is_padded_black_and_published_white():
    image = Image.new("CMYK", (50, 100), (0, 255, 255, 0))
    default = Preprocessing("squarepad", 40).pixels(image)
    parity = Preprocessing("squarepad", 40, parity=True).pixels(image)
    assert default[:, 20, 0].tolist() == [0, 0, 0]
    assert parity[:, 20, 0].tolist() == [255, 255, 255]
    assert default[0, 20, 20] > 200 > 60 > default[1, 20, 20]


def test_a_bilevel_picture_keeps_its_greys_by_default_alone():
    """One white pixel in four is a quarter grey; resized as bilevel it is black or white."""
    dots = np.zeros((64, 64), dtype=bool)
    dots[::2, ::2] = True
    image = Image.fromarray(dots)
    assert np.unique(Preprocessing("clip", 32, parity=True).pixels(image)).size <= 2
    assert 40 < Preprocessing("clip", 32).pixels(image)[:, 4:-4, 4:-4].mean() < 90


@given(
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    kind=st.sampled_from(KINDS),
    parity=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_any_picture_becomes_the_square_asked_for(width, height, kind, parity):
    seen = Preprocessing(kind=kind, size=24, parity=parity).pixels(
        Image.new("RGB", (width, height))
    )
    assert seen.shape == (3, 24, 24)
    assert seen.dtype == np.uint8
    assert seen.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("kind", ["squarepad", "targetpad"])
def test_a_very_long_picture_is_scaled_before_it_is_padded(kind):
    """Its square would have 400 million pixels."""
    pixels = Preprocessing(kind, size=32).pixels(Image.new("RGB", (20_000, 400), "white"))
    assert pixels.shape == (3, 32, 32)
    assert (pixels[:, 16, 16] > 50).all()
    assert (pixels[:, 0, 16] == 0).all()
