"""What a garment can look like: the values of every attribute, by category."""

from __future__ import annotations

from itertools import product
from math import sqrt

Rgb = tuple[int, int, int]

ATTRIBUTES = ("colour", "accent", "pattern", "sleeves", "neckline", "length", "logo")

COLOURS: dict[str, Rgb] = {
    "black": (50, 50, 54),
    "white": (248, 248, 245),
    "grey": (144, 148, 152),
    "red": (206, 34, 44),
    "burgundy": (104, 22, 44),
    "orange": (240, 122, 30),
    "yellow": (248, 206, 56),
    "green": (36, 136, 76),
    "olive": (110, 112, 54),
    "turquoise": (36, 178, 174),
    "light blue": (152, 198, 234),
    "blue": (36, 94, 204),
    "navy": (28, 40, 96),
    "purple": (116, 58, 156),
    "pink": (244, 146, 182),
    "brown": (112, 70, 42),
    "beige": (220, 200, 166),
}

PATTERNS = (
    "plain",
    "striped",
    "vertical stripes",
    "checked",
    "polka dots",
    "floral",
    "zigzag",
    "camouflage",
    "colour-block",
    "leopard",
)

LOGOS = ("none", "star", "heart", "lightning", "circle", "diamond", "moon")

# Sleeves and lengths run from short to long: "longer" is told from their order.
_TOP_LENGTHS = ("cropped", "regular", "long")
_SKIRT_LENGTHS = ("mini", "knee-length", "maxi")

FORMS: dict[str, dict[str, tuple[str, ...]]] = {
    "dress": {
        "sleeves": ("sleeveless", "short", "long"),
        "neckline": ("crew", "v-neck", "square"),
        "length": _SKIRT_LENGTHS,
    },
    "hat": {"length": ("brimless", "narrow brim", "wide brim"), "logo": LOGOS},
    "longsleeve": {
        "sleeves": ("long",),
        "neckline": ("crew", "v-neck", "turtleneck", "hood"),
        "length": _TOP_LENGTHS,
        "logo": LOGOS,
    },
    "outwear": {
        "sleeves": ("sleeveless", "long"),
        "neckline": ("collar", "stand-up", "hood"),
        "length": _TOP_LENGTHS,
        "logo": LOGOS,
    },
    "pants": {"length": ("cropped", "full-length"), "logo": LOGOS},
    "shirt": {
        "sleeves": ("short", "long"),
        "neckline": ("collar", "stand-up"),
        "length": _TOP_LENGTHS,
    },
    "shoes": {"length": ("low-top", "high-top", "knee-high"), "logo": LOGOS},
    "shorts": {"length": ("mini", "knee-length"), "logo": LOGOS},
    "skirt": {"length": _SKIRT_LENGTHS},
    "t-shirt": {
        "sleeves": ("sleeveless", "short"),
        "neckline": ("crew", "v-neck", "scoop"),
        "length": _TOP_LENGTHS,
        "logo": LOGOS,
    },
}

CATEGORIES = tuple(FORMS)

_LEAST_CONTRAST = 105.0


def _contrast(first: Rgb, second: Rgb) -> float:
    return sqrt(sum((a - b) ** 2 for a, b in zip(first, second, strict=True)))


# Two colours too near each other would hide a pattern: navy on black, white on beige.
CONTRASTING: dict[str, tuple[str, ...]] = {
    colour: tuple(
        other for other in COLOURS if _contrast(COLOURS[colour], COLOURS[other]) >= _LEAST_CONTRAST
    )
    for colour in COLOURS
}

CONTRASTING_PAIRS = frozenset((a, b) for a, b in product(COLOURS, COLOURS) if b in CONTRASTING[a])
