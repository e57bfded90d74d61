"""What a backup says about itself: before its parts, and after them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

MOST_NAMED = 500_000
"""Of products and of blobs in a manifest, which is read whole."""


class BackupHead(BaseModel):
    """The first file of a backup."""

    format: int
    akin: str
    """The version of Akin that wrote it."""
    revision: str
    """Of its tables."""
    created_at: datetime


class BackupManifest(BaseModel):
    """The last file: what there has to be, and the hashes of what is not named by its own."""

    pieces: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of each piece of a table or gallery."""
    rows: dict[str, int] = Field(default_factory=dict)
    points: dict[str, int] = Field(default_factory=dict)
    blobs: dict[str, tuple[int, str]] = Field(default_factory=dict)
    """For each area how many, and the hash of all their names in order."""
    missing: list[str] = Field(default_factory=list)
    """Blobs that the rows name and that were gone or damaged, the first `MOST_NAMED` of them."""
    missing_in_all: int = 0
    touched: list[str] | None = Field(default_factory=list)
    """Products changed while the backup was made, whose points may be newer than their rows; None:
    more than `MOST_NAMED`, so it may be any."""

    @property
    def lost(self) -> int:
        """How many blobs are missing; older backups name them all and have no number."""
        return max(self.missing_in_all, len(self.missing))
