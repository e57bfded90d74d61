"""Feature vectors as hypothesis draws them: by a seed and a size, so that failures shrink."""

from __future__ import annotations

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from backend.composition.composer import QueryFeatures
from backend.composition.sphere import Vectors, normalise

seeds = st.integers(0, 2**32 - 1)
dims = st.integers(2, 64)
strengths = st.floats(-1, 1)
fractions = st.floats(0, 1)


def vector(*values: float) -> Vectors:
    """One vector written out."""
    return np.array(values, dtype=np.float32)


def vectors(seed: int, number: int, dim: int) -> Vectors:
    """(number, dim) un-normalised features."""
    return np.random.default_rng(seed).normal(0, 3, (number, dim)).astype(np.float32)


def units(seed: int, number: int, dim: int) -> Vectors:
    """(number, dim) unit features."""
    return normalise(vectors(seed, number, dim))


@st.composite
def features(draw: st.DrawFn) -> QueryFeatures:
    """A query with both parts, which do not cancel: a sum near zero magnifies rounding."""
    image, text = vectors(draw(seeds), 2, draw(dims))
    assume(normalise(image) @ normalise(text) > -0.98)
    return QueryFeatures(image, text)
