"""Decoding is one function: bytes of a stranger in, an upright RGB picture out."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from backend.errors import TooLarge, UnsupportedImage

# Our own limit speaks for Pillow's, which warns at a size that we may allow.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)

MAX_ASPECT = 50
LARGE_PIXELS = 16_000_000
_one_large_picture = threading.Lock()

# The JPEG reader also takes MPO: a JPEG with further views behind it.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
# What Pillow's readers raise on bytes that are damaged, cut short or not what they claim to be.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    TypeError,
    EOFError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class DecodeLimits:
    """What is refused before a pixel is decoded."""

    max_bytes: int = 50_000_000
    max_pixels: int = 100_000_000
    formats: tuple[str, ...] = FORMATS


def decode_image(
    data: bytes,
    limits: DecodeLimits = DecodeLimits(),
    *,
    draft: int | None = None,
    name: str = "the file",
) -> Image.Image:
    """The picture in `data`: RGB, upright, without metadata, transparency flattened on white.

    draft: the short side, in pixels, that is enough; a JPEG is then decoded at the smallest
    eighth of its size that still reaches it. Of an animation the first frame is taken.

    Raises UnsupportedImage where the bytes are empty, no picture, damaged, cut short or of a
    format not allowed; TooLarge where they are over the limits. The sentences name `name`.
    """
    image = _opened(data, limits, name)
    if draft is not None:
        image.draft(None, _drafted(image.size, draft))
    large = image.width * image.height > LARGE_PIXELS
    try:
        # One at a time, so that many threads with large pictures do not exhaust the memory.
        with _one_large_picture if large else nullcontext():
            image.load()
            return _without_metadata(_rgb(ImageOps.exif_transpose(image)))
    except _DAMAGE as error:
        raise UnsupportedImage(
            f"The picture in {name} is damaged or cut short: send it again from the original."
        ) from error


def image_facts(
    data: bytes, limits: DecodeLimits = DecodeLimits(), *, name: str = "the file"
) -> tuple[str, int, int]:
    """(format, width, height) from the header alone; raises as `decode_image` does."""
    image = _opened(data, limits, name)
    return str(image.format), image.width, image.height


def _opened(data: bytes, limits: DecodeLimits, name: str) -> ImageFile.ImageFile:
    if not data:
        raise UnsupportedImage(f"There is nothing in {name}: it has zero bytes.")
    if len(data) > limits.max_bytes:
        raise TooLarge(
            f"There are {len(data):,} bytes in {name}, and {limits.max_bytes:,} are allowed: "
            "send a smaller picture."
        )
    image = _identified(data, limits, name)
    if image.width * image.height > limits.max_pixels:
        raise TooLarge(
            f"The picture in {name} has {image.width} x {image.height} pixels, and "
            f"{limits.max_pixels:,} are allowed: send a smaller picture."
        )
    if max(image.size) > MAX_ASPECT * min(image.size):
        # Preprocessing scales the short side up to the tower's, and the long one with it.
        raise UnsupportedImage(
            f"The picture in {name} has {image.width} x {image.height} pixels, too narrow to see "
            "anything in: crop it."
        )
    return image


def _identified(data: bytes, limits: DecodeLimits, name: str) -> ImageFile.ImageFile:
    try:
        return Image.open(io.BytesIO(data), formats=limits.formats)
    except Image.DecompressionBombError as error:
        raise TooLarge(
            f"The picture in {name} has too many pixels, and {limits.max_pixels:,} are allowed: "
            "send a smaller picture."
        ) from error
    except UnidentifiedImageError as error:
        raise UnsupportedImage(
            f"There is no picture that can be read in {name}: "
            f"send one of {', '.join(limits.formats)}."
        ) from error
    except _DAMAGE as error:
        raise UnsupportedImage(
            f"The picture in {name} is damaged or cut short: send it again from the original."
        ) from error


def _drafted(size: tuple[int, int], short: int) -> tuple[int, int]:
    """The size to ask of the JPEG reader, which rounds up to a power-of-two fraction."""
    scale = short / min(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bits(image).convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        layers = image.convert("RGBA")
        page = Image.new("RGBA", layers.size, "white")
        return Image.alpha_composite(page, layers).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Pillow clips deep greys at 255 instead of scaling them, so that all comes out white."""
    deep = np.asarray(image).astype(np.float32)
    top = 65535.0 if image.mode != "F" else max(float(deep.max(initial=0.0)), 1.0)
    return Image.fromarray((deep.clip(0, top) * (255.0 / top)).round().astype(np.uint8))


def _without_metadata(image: Image.Image) -> Image.Image:
    image.info = {}
    return image
