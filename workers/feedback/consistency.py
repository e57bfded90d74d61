"""The arithmetic of the consistency score: numbers in, numbers out.

A right triplet's target is near the composed query, near the words, and fits the words better
than its reference does. The first is asked of two models, the active one and the zero-shot sum,
and their mean is taken: a model that was trained on accepted feedback agrees with itself. How
much each counts was fitted on one Wardrobe and measured on another (benchmarks/feedback_score.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

CATALOGUE = 1_500
"""Places are told as in a catalogue of so many pictures, whatever the size of the real one."""
BIAS, PLACE, WORDS, DIRECTION = 4.5, 0.9, 0.35, 0.7
FURTHEST = 2.0
"""A direction beyond it counts no more: in standard deviations of the words' similarities."""
DISPUTED = 0.5
"""What a score is multiplied by where another triplet says the opposite."""


def share_above(scores: Numbers, own: Numbers, left_out: NDArray[np.bool_]) -> Numbers:
    """The share of the gallery that a query puts before its target, (n,), from 0 to 1.

    scores: (n, m) of gallery images; own: (n,) of the targets; left_out: (n, m), the images of the
    triplet's own products. Without any other image it is 0.
    """
    counted = ~left_out
    above = ((scores > own[:, None]) & counted).sum(axis=1)
    return np.asarray(above / np.maximum(counted.sum(axis=1), 1), np.float64)


def direction(words: Numbers, target: Numbers, reference: Numbers) -> Numbers:
    """How much better the target fits the words than the reference does, (n,).

    words: (n, m) similarities of gallery images to the words; target, reference: (n,) of those.
    In standard deviations of the first; 0 where all are alike.
    """
    spread = words.std(axis=1) if words.shape[1] else np.zeros(len(words))
    moved = target - reference
    return np.divide(moved, spread, out=np.zeros_like(moved), where=spread > 1e-9)


def consistency(places: Sequence[Numbers], words: Numbers, moved: Numbers) -> Numbers:
    """The score, (n,), from 0 to 1: of being right, were 15 in 100 wrong.

    places: for each model, the shares that its query puts before the target, (n,); words: the same
    for the words alone; moved: as `direction` gives it.
    """
    place = np.mean([np.log1p(CATALOGUE * one) for one in places], axis=0)
    logit = (
        BIAS
        - PLACE * place
        - WORDS * np.log1p(CATALOGUE * words)
        + DIRECTION * np.clip(moved, -FURTHEST, FURTHEST)
    )
    return np.asarray(1 / (1 + np.exp(-logit)), np.float64)
