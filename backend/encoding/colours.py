"""From the colours a picture is stored in to eight bits each of red, green and blue."""

from __future__ import annotations

from math import isfinite

from PIL import Image

_STRIP_PIXELS = 4_000_000  # of a deep picture, brought to eight bits at a time


def rgb(image: Image.Image) -> Image.Image:
    """Its pixels as RGB: deep greys scaled to eight bits, transparency flattened on white."""
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bits(image).convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        layers = image if image.mode == "RGBA" else image.convert("RGBA")
        page = Image.new("RGB", layers.size, "white")
        page.paste(layers, mask=layers)
        return page
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Pillow clips deep greys at 255 instead of scaling them, so that all comes out white."""
    grey = Image.new("L", image.size)
    top = _lightest(image)
    rows = max(1, _STRIP_PIXELS // image.width)
    for upper in range(0, image.height, rows):
        strip = image.crop((0, upper, image.width, min(upper + rows, image.height)))
        grey.paste(_scaled(strip, top), (0, upper))
    return grey


def _lightest(image: Image.Image) -> float:
    """What is to become white: of numbers without a range, the largest there is."""
    if image.mode != "F":
        return 65535.0
    _, largest = image.getextrema()
    return max(largest, 1.0) if isinstance(largest, float) and isfinite(largest) else 1.0


def _scaled(strip: Image.Image, top: float) -> Image.Image:
    import numpy as np  # few pictures are deep, and a decoding child starts sooner without it

    deep = np.asarray(strip)
    if deep.dtype == np.uint16:  # the common kind, twice as fast; top is 255 * 257
        return Image.fromarray(((deep.astype(np.uint32) + 128) // 257).astype(np.uint8))
    light = np.nan_to_num(deep.astype(np.float32)).clip(0, top) * (255.0 / top)
    return Image.fromarray(light.round().astype(np.uint8))
