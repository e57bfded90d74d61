"""Which caption is true of which picture, decided by the attributes both are known to have.

A picture is a row of value codes, one a known attribute; a caption is the set of attribute values
it claims. A partial caption ("in red") is true of every red picture in the batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from workers.datasets.wardrobe.attributes import ATTRIBUTES, CATEGORIES, COLOURS, FORMS, PATTERNS

Codes = NDArray[np.int16]
Mask = NDArray[np.bool_]

NAMES = ("category", *ATTRIBUTES)
ABSENT = -1  # a picture on which the attribute cannot be seen: no neckline on a skirt
UNKNOWN = -2  # a picture of which it is not known: the sleeves on a photo
UNSAID = -3  # a caption that says nothing about it


def _values(name: str) -> tuple[str, ...]:
    if name == "category":
        return CATEGORIES
    if name in ("colour", "accent"):
        return tuple(COLOURS)
    if name == "pattern":
        return PATTERNS
    return tuple(dict.fromkeys(v for form in FORMS.values() for v in form.get(name, ())))


_CODE = {name: {value: i for i, value in enumerate(_values(name))} for name in NAMES}


def picture_codes(visible: Mapping[str, str], missing: int = ABSENT) -> Codes:
    """(attributes,) codes of what a picture shows; what `visible` lacks becomes `missing`."""
    codes = [_CODE[n][visible[n]] if n in visible else missing for n in NAMES]
    return np.array(codes, dtype=np.int16)


def caption_codes(claims: Iterable[tuple[str, str]]) -> Codes:
    """(attributes,) codes of what a caption claims."""
    said = dict(claims)
    return picture_codes(said, UNSAID)


def judge(captions: Codes, pictures: Codes) -> tuple[Mask, Mask]:
    """What is true and what cannot be told.

    captions: (t, attributes); pictures: (n, attributes). Returns two (t, n) masks: `true` where
    every claim holds, `unsure` where none is wrong but some attribute of the picture is unknown.
    """
    said = captions[:, None, :] != UNSAID
    same = captions[:, None, :] == pictures[None, :, :]
    unknown = pictures[None, :, :] == UNKNOWN
    wrong = (said & ~same & ~unknown).any(axis=2)
    unsure = ~wrong & (said & unknown).any(axis=2)
    true = ~wrong & ~unsure
    return true, unsure
