"""What a tower gives back, looked at before anybody uses it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from backend.errors import AkinError

Features = NDArray[np.float32]


class BadFeatures(AkinError):
    """Features that are no direction: NaN, infinite or zero. `rows` of the batch have them."""

    code = "bad-features"

    def __init__(self, rows: Sequence[int], what: str) -> None:
        super().__init__(
            f"The backbone gave no usable features for {len(rows)} of the {what} "
            f"(rows {', '.join(map(str, rows[:10]))}): leave them out, or check its weights."
        )
        self.rows = list(rows)


def checked(features: Tensor, what: str) -> Features:
    """The (n, dim) features as float32; raises BadFeatures with the rows that are no direction."""
    found: Features = features.float().cpu().numpy()
    usable = np.isfinite(found).all(axis=1) & found.any(axis=1)
    if not usable.all():
        raise BadFeatures([int(row) for row in np.flatnonzero(~usable)], what)
    return found
