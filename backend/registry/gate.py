"""The metric gate of a promotion (DESIGN, Decision 13)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from backend.registry.deployments import Active
from backend.registry.tables import ModelVersion

METRIC = "R@10"
ENOUGH = 100
"""Held-out triplets below which a comparison says too little."""


class HeldOut(BaseModel):
    """What is known of a version's answers to the catalogue's held-out triplets.

    ways: of each way to ask (composed, image, text, active), the metrics in percent as value, lower
    and upper end of the interval. active: the version that it was compared with.
    """

    triplets: int
    split: str = ""
    active: str | None = None
    ways: dict[str, dict[str, tuple[float, float, float]]]


class Gate(BaseModel):
    """Whether a version may take over without an override, and why in one sentence."""

    passed: bool
    reason: str
    overridden: bool = False


def judge(version: ModelVersion, now: Active) -> Gate:
    """Not below the active version at R@10, on at least 100 held-out triplets."""
    found = held_out(version.figures)
    if found is None or found.active != now.version_id:
        return Gate(
            passed=False,
            reason=f"{version.name} was not measured on held-out triplets beside {now.version}: "
            "measure it first",
        )
    if found.triplets < ENOUGH:
        return Gate(
            passed=False,
            reason=f"it was measured on {found.triplets:,} held-out triplets, and fewer than "
            f"{ENOUGH} say too little",
        )
    new, old = (found.ways[way][METRIC][0] for way in ("composed", "active"))
    told = (
        f"{METRIC} {new:.1f} on {found.triplets:,} held-out triplets, {now.version} has {old:.1f}"
    )
    return Gate(passed=new >= old, reason=told)


def held_out(figures: dict[str, Any]) -> HeldOut | None:
    """The figures of a version's row; None where it was not measured."""
    try:
        return HeldOut.model_validate(figures["held_out"])
    except (KeyError, ValidationError):
        return None
