"""What a check of a dataset folder found: counts to compare, and sentences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

Step = Callable[[str, int, int], None]
"""Told the stage, and how many pictures or bytes of how many are done."""

Check = Callable[[Path, str | None, bool, Step], "Findings"]
"""Looks through a folder, of the kind named if one is; the flag asks to open every picture."""


class SplitFindings(BaseModel):
    """One split: what is there, and what the published files have (None where nobody says)."""

    name: str
    triplets: int
    published_triplets: int | None = None
    images: int
    published_images: int | None = None
    found: int
    missing: list[str]


class Findings(BaseModel):
    """A dataset folder, or captions. opened: how many pictures were, where that was asked for.
    notes: worth knowing; problems: to be mended before it is used."""

    folder: Path
    kind: str
    label: str
    splits: list[SplitFindings] = []
    captions: int | None = None
    opened: int | None = None
    notes: list[str] = []
    problems: list[str] = []

    @property
    def good(self) -> bool:
        """Whether nothing has to be mended."""
        return not self.problems
