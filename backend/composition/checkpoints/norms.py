"""How long image and text features are, and projections that make both alike.

An un-normalised sum, a Combiner's residual and an inversion all take image and text features for
about equally long, as OpenAI's are; of a small model they may differ sevenfold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from backend.encoding.backbone import Backbone
from backend.errors import InvalidInput

EVEN_NORM = 10.0
COLOURS = ("red", "green", "blue", "yellow", "black", "orange", "purple", "grey")
_SIDE = 256

_IMAGE_PROJECTIONS = (
    ("visual.proj",),
    ("visual.attnpool.c_proj.weight", "visual.attnpool.c_proj.bias"),
    ("visual.head.proj.weight", "visual.head.proj.bias"),
)
_TEXT_PROJECTIONS = (
    ("text_projection",),
    ("text.text_projection",),
    ("text.text_projection.weight", "text.text_projection.bias"),
)


class Norms(NamedTuple):
    """Mean norms of un-normalised features, of a few drawn pictures and their descriptions."""

    image: float
    text: float

    @property
    def ratio(self) -> float:
        """How many times longer an image feature is than a text feature."""
        return self.image / self.text


def measured_norms(backbone: Backbone) -> Norms:
    """Mean norms on eight drawn pictures and eight sentences."""
    see = backbone.preprocessing
    pixels = np.stack([see.pixels(_picture(colour)) for colour in COLOURS])
    images = backbone.encode_images(pixels)
    texts = backbone.encode_texts([f"a photo of a {colour} square" for colour in COLOURS])
    return Norms(*(float(np.linalg.norm(part, axis=1).mean()) for part in (images, texts)))


def evened(state: Mapping[str, Tensor], norms: Norms) -> dict[str, Tensor]:
    """The projections of both towers, scaled so that features have a mean norm of 10.

    Similarities and rankings stay as they are. Raises InvalidInput for a tower that ends in no
    projection.
    """
    scaled: dict[str, Tensor] = {}
    for side, groups, norm in (
        ("image", _IMAGE_PROJECTIONS, norms.image),
        ("text", _TEXT_PROJECTIONS, norms.text),
    ):
        names = next((group for group in groups if group[0] in state), None)
        if names is None:
            raise InvalidInput(
                f"The {side} tower ends in no projection that could be scaled: import it without "
                "--even-norms."
            )
        scaled |= {name: state[name] * (EVEN_NORM / norm) for name in names if name in state}
    return scaled


def _picture(colour: str) -> Image.Image:
    image = Image.new("RGB", (_SIDE, _SIDE), "white")
    ImageDraw.Draw(image).rectangle((56, 56, 200, 200), fill=colour)
    return image
