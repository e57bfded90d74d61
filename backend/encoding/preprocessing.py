"""From a picture to the square of pixels an image tower sees (CLIP4Cir's three ways)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from PIL import Image, ImageOps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PreprocessingKind = Literal["clip", "squarepad", "targetpad"]
Interpolation = Literal["bicubic", "bilinear"]
Triple = tuple[float, float, float]

OPENAI_MEAN: Triple = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD: Triple = (0.26862954, 0.26130258, 0.27577711)

_RESAMPLING = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
}


MAX_PADDED = 4096  # pixels; a longer side is scaled down before a picture is padded


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes `size` x `size` pixels (Baldrati et al. 2022, section 3.4).

    `clip` resizes the short side and crops the centre; `squarepad` first pads to a square with
    zeros; `targetpad` pads only until the longer side is at most `ratio` times the shorter.
    Pictures are made RGB first; `parity` keeps the published order, RGB last, in which padding
    comes out white on CMYK and bilevel pictures lose their greys. `mean` and `std` are applied by
    the tower, to a whole batch.
    """

    kind: PreprocessingKind = "clip"
    size: int = 224
    mean: Triple = OPENAI_MEAN
    std: Triple = OPENAI_STD
    ratio: float = 1.25
    parity: bool = False
    interpolation: Interpolation = "bicubic"

    @property
    def draft(self) -> int:
        """The short side, in pixels, that a JPEG is decoded at or above: enough for the resize,
        and one rule for catalogue and query, so that the same picture gives the same vector."""
        return 2 * self.size

    def pixels(self, image: Image.Image) -> NDArray[np.uint8]:
        """(3, size, size) uint8 pixels of a picture, not yet normalised."""
        import numpy as np  # a decoding child starts sooner without it

        planes = np.frombuffer(bytearray(self.planes(image)), np.uint8)
        return planes.reshape(3, self.size, self.size)

    def planes(self, image: Image.Image) -> bytes:
        """The same pixels as bytes: all of the red ones, row by row, then green, then blue."""
        if not self.parity:
            image = image.convert("RGB")
        square = self._crop(self._resize(self._pad(image))).convert("RGB")
        return b"".join(band.tobytes() for band in square.split())

    def _pad(self, image: Image.Image) -> Image.Image:
        width, height = image.size
        if self.kind == "clip":
            return image
        if max(image.size) > MAX_PADDED:  # the square of a long picture would fill the memory
            image = ImageOps.contain(image, (MAX_PADDED, MAX_PADDED))
            width, height = image.size
        if self.kind == "targetpad" and max(image.size) / min(image.size) < self.ratio:
            return image
        side = max(image.size) / (self.ratio if self.kind == "targetpad" else 1.0)
        across = max(int((side - width) / 2), 0)
        down = max(int((side - height) / 2), 0)
        return ImageOps.expand(image, border=(across, down, across, down), fill=0)

    def _resize(self, image: Image.Image) -> Image.Image:
        """The short side to `size`, the long side in proportion, cut to whole pixels."""
        width, height = image.size
        short = min(width, height)
        size = (int(self.size * width / short), int(self.size * height / short))
        return image.resize(size, _RESAMPLING[self.interpolation])

    def _crop(self, image: Image.Image) -> Image.Image:
        left = round((image.width - self.size) / 2)
        top = round((image.height - self.size) / 2)
        return image.crop((left, top, left + self.size, top + self.size))
