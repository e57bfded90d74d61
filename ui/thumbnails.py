"""A small picture of a visitor's own upload, to show it back without sending it anywhere."""

from __future__ import annotations

import base64
import io
import struct
import zlib

from PIL import Image, ImageOps

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
_MOST_PIXELS = 50_000_000
_SIDE = 320
# What Pillow raises on a stranger's bytes: damage, and a header that promises far too many pixels.
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    TypeError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def data_uri(data: bytes) -> str:
    """A thumbnail of `data` as a data URI; empty where it cannot be read: the API says why."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                return ""
            image.draft("RGB", (2 * _SIDE, 2 * _SIDE))
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except _UNREADABLE:
        return ""
    upright.thumbnail((_SIDE, _SIDE))
    small = io.BytesIO()
    upright.save(small, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(small.getvalue()).decode()
