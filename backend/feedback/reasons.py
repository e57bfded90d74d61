"""The parts of a consistency score in words, for whoever reviews the triplet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NEAR, FAR = 0.01, 0.2
"""Shares of the gallery before the target: up to the first it is found, from the second on not."""


def reasons(parts: Mapping[str, Any], *, is_target: bool) -> list[str]:
    """Short sentences, what weighs most first; none for a triplet that was not scored."""
    if not parts:
        return []
    told = [sentence for key, sentence in _OTHERS.items() if parts.get(key)]
    told += _place(max(parts["active"], parts["zero_shot"]), is_target=is_target)
    if parts["direction"] < 0:
        told.append("The reference fits the words better than the target does.")
    elif parts["words"] >= FAR:
        told.append("The words fit many other products better.")
    again = int(parts.get("said_again", 0))
    if again:
        told.append(f"Said {again} more time{'' if again == 1 else 's'}.")
    return told


def _place(share: float, *, is_target: bool) -> list[str]:
    if share <= NEAR:
        return ["Right where picture and words lead."]
    if share >= FAR:
        far = f"{100 * share:.0f} % of the catalogue fits better than the target."
        return [far if is_target else f"{far[:-1]}, as it should."]
    return []


_OTHERS = {
    "same_picture": "Both sides are the same picture.",
    "opposite": "Somebody else said the opposite.",
    "both_ways": "The same words lead back as well.",
}
