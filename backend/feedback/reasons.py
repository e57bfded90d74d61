"""The parts of a consistency score in words, for whoever reviews the triplet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PARTS = ("words", "picture", "direction", "rank")


def reasons(parts: Mapping[str, Any], *, is_target: bool) -> list[str]:
    """Sentences about what was found; none for a triplet that was not scored."""
    return []
