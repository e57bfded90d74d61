"""Pictures that are a part of a file: GeneCIS's objects, COCO's masked instances."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw

from backend.encoding.decoding import DecodeLimits, decode_image
from backend.errors import InvalidInput

Box = tuple[float, float, float, float]
Shape = Literal["cropped", "padded", "stretched"]
_LIMITS = DecodeLimits()


@dataclass(frozen=True)
class Region:
    """The part of an image that is a picture of its own.

    box: left, top, right, bottom in pixels of the whole image. outlines: polygons of an instance,
    each x0, y0, x1, y1, ... in pixels; all outside them becomes white; () masks nothing.
    shape: what becomes of the crop: as it is, padded with black to a square around its middle, or
    stretched to a square of the tower's size.
    """

    box: Box
    outlines: tuple[tuple[float, ...], ...] = ()
    shape: Shape = "cropped"


def cut(image: Image.Image, region: Region, size: int) -> Image.Image:
    """The region of an RGB image; `size` is the side, in pixels, of what is stretched.

    Raises InvalidInput where the box holds no pixel of the image.
    """
    left, top = (max(0, math.floor(edge)) for edge in region.box[:2])
    right = min(image.width, math.ceil(region.box[2]))
    bottom = min(image.height, math.ceil(region.box[3]))
    if left >= right or top >= bottom:
        raise InvalidInput(
            f"The box {region.box} lies outside its image of {image.width} x {image.height} "
            "pixels: the annotations belong to other pictures."
        )
    crop = _masked(image, region).crop((left, top, right, bottom))
    if region.shape == "padded":
        return _padded(crop)
    if region.shape == "stretched":
        return crop.resize((size, size), Image.Resampling.BICUBIC)
    return crop


def read_picture(path: Path) -> bytes:
    """The bytes of a regular file of at most 50 MB. Raises InvalidInput, saying which and why."""
    try:
        # A path from somebody's list may name a device or a pipe, which would never end.
        if not path.is_file():
            raise InvalidInput(f"{path} is not a file: correct the list or bring the picture.")
        with path.open("rb") as file:
            data = file.read(_LIMITS.max_bytes + 1)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read: look at its permissions.") from error
    return data


def region_bytes(path: Path, region: Region, size: int) -> bytes:
    """The region of the file as a PNG, for whatever takes pictures as bytes."""
    picture = cut(decode_image(read_picture(path), _LIMITS, name=str(path)), region, size)
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


def _masked(image: Image.Image, region: Region) -> Image.Image:
    if not region.outlines:
        return image
    mask = Image.new("L", image.size, 0)
    pen = ImageDraw.Draw(mask)
    for outline in region.outlines:
        pen.polygon(outline, fill=255)
    return Image.composite(image, Image.new("RGB", image.size, "white"), mask)


def _padded(crop: Image.Image) -> Image.Image:
    side = max(crop.size)
    square = Image.new("RGB", (side, side))
    square.paste(crop, ((side - crop.width) // 2, (side - crop.height) // 2))
    return square
