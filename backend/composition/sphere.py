"""Geometry of the unit sphere, where all composed queries live."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from backend.errors import InvalidInput

Vectors = npt.NDArray[np.float32]
"""float32, (dim,) or (n, dim)."""

# Below this length, what is left of two cancelling unit vectors in float32 is rounding noise.
_NOISE = 1e-6


def normalise(vectors: npt.NDArray[Any]) -> Vectors:
    """Scale (..., dim) to unit length along the last axis, as float32.

    Raises InvalidInput for a vector that is zero or not finite: it has no direction.
    """
    exact = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(exact, axis=-1, keepdims=True)
    if not (np.isfinite(norms) & (norms > 0)).all():
        raise InvalidInput(
            "A feature vector of the query is zero or not a number: "
            "use another picture or other words, or run `akin doctor` to check the backbone."
        )
    units: Vectors = (exact / norms).astype(np.float32)
    return units


def direction(resultant: npt.NDArray[Any], sentence: str) -> Vectors:
    """Unit direction of a sum of unit vectors, (dim,); InvalidInput(sentence) if they cancel."""
    if np.linalg.norm(resultant) < _NOISE:
        raise InvalidInput(sentence)
    return normalise(resultant)


def slerp(start: Vectors, end: Vectors, fraction: float) -> Vectors:
    """The unit vector at `fraction` in [0, 1] of the great circle between two unit (dim,) vectors.

    The angle to `start` is fraction x the whole angle (Shoemake 1985, "Animating Rotation with
    Quaternion Curves"). Both ends are returned untouched. Between antipodes every great circle
    is a shortest one; a fixed one is taken, so that the path is still even and repeatable.
    """
    if fraction <= 0 or np.array_equal(start, end):
        return start
    if fraction >= 1:
        return end
    a, b = (_exact(v) for v in (start, end))
    # atan2 keeps its precision where arccos loses it: near 0 and near pi.
    angle = 2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b))
    turned = np.cos(fraction * angle) * a + np.sin(fraction * angle) * _sideways(a, b)
    return normalise(turned)


def _exact(unit: Vectors) -> npt.NDArray[np.float64]:
    wide = unit.astype(np.float64)
    return wide / np.linalg.norm(wide)


def _sideways(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The unit vector perpendicular to `a` on the side of `b`."""
    side = b - (a @ b) * a
    if np.linalg.norm(side) < _NOISE:
        side = np.zeros_like(a)
        side[np.argmin(np.abs(a))] = 1.0
        side -= (a @ side) * a
    return side / np.linalg.norm(side)
