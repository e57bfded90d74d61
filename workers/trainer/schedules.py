"""How the learning rate changes in the course of a run: a pure function of the step."""

from __future__ import annotations

import math
from typing import Literal

ScheduleKind = Literal["constant", "cosine"]


def lr_factor(step: int, steps: int, warmup: int = 0, kind: ScheduleKind = "cosine") -> float:
    """What the learning rate is multiplied by at `step` of `steps`.

    It rises linearly for `warmup` steps; then it stays, or falls as half a cosine to zero
    (Loshchilov and Hutter 2017, "SGDR", Equation 5, without restarts).
    """
    if step < warmup:
        return (step + 1) / warmup
    if kind == "constant":
        return 1.0
    done = (step - warmup) / max(1, steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
