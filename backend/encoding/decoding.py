"""Decoding is one function: bytes of a stranger in, an upright RGB picture out.

Where the bytes come from outside it runs in a child process: see `decode_pool`.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from backend.encoding.colours import rgb
from backend.errors import TooLarge, UnsupportedImage

# Our own limit speaks for Pillow's, which warns at a size that we may allow.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)

MAX_ASPECT = 50
LARGE_PIXELS = 16_000_000  # decoded; what takes more memory than that takes its turn

# The JPEG reader also takes MPO: a JPEG with further views behind it.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
# What Pillow's readers raise on bytes that are damaged, cut short or not what they claim to be.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    EOFError,
    struct.error,
    zlib.error,
)
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = {_UPRIGHT[orientation] for orientation in (5, 6, 7, 8)}


@dataclass(frozen=True)
class DecodeLimits:
    """What is refused before a pixel is decoded."""

    max_bytes: int = 50_000_000
    max_pixels: int = 100_000_000
    formats: tuple[str, ...] = FORMATS


class OpenPicture:
    """A picture whose header was read and found within the limits; its pixels were not.

    `form` is its format, `width` and `height` are as stored, and upright after `load`.

    `is_large` says that decoding takes so much memory that such pictures should take turns: by
    what they are decoded to, and by what a progressive JPEG keeps meanwhile, which is two bytes a
    sample of the size it is stored at.
    """

    def __init__(self, image: ImageFile.ImageFile, name: str, draft: int | None) -> None:
        self.form = str(image.format)
        self.width, self.height = image.size
        self._opened: ImageFile.ImageFile | None = image
        self._name = name
        if draft is not None:
            with _told(name):
                image.draft(None, _drafted(image.size, draft))
        decoded = image.width * image.height
        self.is_large = max(decoded, self.width * self.height // 3) > LARGE_PIXELS

    def load(self) -> Image.Image:
        """The picture itself, once. Raises UnsupportedImage for damage."""
        opened, self._opened = self._opened, None  # so that its memory goes as soon as it may
        if opened is None:
            raise ValueError("a picture is loaded once")
        with _told(self._name):
            opened.load()
            turn = _turn(opened)
            if turn in _SIDEWAYS:
                self.width, self.height = self.height, self.width
            image: Image.Image = opened if turn is None else opened.transpose(turn)
            del opened
            return _without_metadata(rgb(image))


def open_image(
    data: bytes,
    limits: DecodeLimits = DecodeLimits(),
    *,
    draft: int | None = None,
    name: str = "the file",
) -> OpenPicture:
    """Read the header of the picture in `data`; raises as `decode_image` does."""
    check_size(data, limits, name=name)
    # Pillow's WebP reader makes room for all pixels as soon as it is opened.
    _check_pixels(_webp_size(data), limits, name)
    image = _identified(data, limits, name)
    _check_pixels(image.size, limits, name)
    if max(image.size) > MAX_ASPECT * min(image.size):
        # Preprocessing scales the short side up to the tower's, and the long one with it.
        raise UnsupportedImage(
            f"The picture in {name} has {image.width} x {image.height} pixels, too narrow to see "
            "anything in: crop it."
        )
    return OpenPicture(image, name, draft)


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
    return open_image(data, limits, draft=draft, name=name).load()


def image_facts(
    data: bytes, limits: DecodeLimits = DecodeLimits(), *, name: str = "the file"
) -> tuple[str, int, int]:
    """(format, width, height) from the header alone; raises as `decode_image` does."""
    picture = open_image(data, limits, name=name)
    return picture.form, picture.width, picture.height


def check_size(data: bytes, limits: DecodeLimits, *, name: str) -> None:
    """Refuse no bytes at all, and too many, before anything looks at them."""
    if not data:
        raise UnsupportedImage(f"There is nothing in {name}: it has zero bytes.")
    if len(data) > limits.max_bytes:
        raise TooLarge(
            f"There are {len(data):,} bytes in {name}, and {limits.max_bytes:,} are allowed: "
            "send a smaller picture."
        )


def _check_pixels(size: tuple[int, int], limits: DecodeLimits, name: str) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        raise TooLarge(
            f"The picture in {name} has {width} x {height} pixels, and "
            f"{limits.max_pixels:,} are allowed: send a smaller picture."
        )


def _webp_size(data: bytes) -> tuple[int, int]:
    """What the first chunk of a WebP file says of its width and height; (0, 0) of other bytes."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return 0, 0
    if data[12:16] == b"VP8X":
        return _number(data[24:27]) + 1, _number(data[27:30]) + 1
    if data[12:16] == b"VP8L":
        bits = _number(data[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return _number(data[26:28]) & 0x3FFF, _number(data[28:30]) & 0x3FFF


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What a reader raises on a damaged picture, as a sentence."""
    try:
        yield
    except _DAMAGE as error:
        if "out of memory" in str(error):  # a codec's words for it
            raise MemoryError(str(error)) from error
        raise UnsupportedImage(
            f"The picture in {name} is damaged or cut short: send it again from the original."
        ) from error


def _identified(data: bytes, limits: DecodeLimits, name: str) -> ImageFile.ImageFile:
    with _told(name):
        try:
            return Image.open(io.BytesIO(data), formats=limits.formats)
        except Image.DecompressionBombError as error:
            raise TooLarge(
                f"The picture in {name} has too many pixels, and {limits.max_pixels:,} are "
                "allowed: send a smaller picture."
            ) from error
        except UnidentifiedImageError as error:
            raise UnsupportedImage(
                f"There is no picture that can be read in {name}: "
                f"send one of {', '.join(limits.formats)}."
            ) from error


def _drafted(size: tuple[int, int], short: int) -> tuple[int, int]:
    """The size to ask of the JPEG reader, which rounds up to a power-of-two fraction."""
    scale = short / min(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What makes it upright; TIFF was turned by its reader, and says nothing any more.

    By hand: `ImageOps.exif_transpose` writes all tags anew, and fails where one is odd.
    """
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except _DAMAGE:  # tags that cannot be read turn nothing
        return None
    return _UPRIGHT.get(orientation) if isinstance(orientation, int) else None


def _without_metadata(image: Image.Image) -> Image.Image:
    image.info = {}
    return image
