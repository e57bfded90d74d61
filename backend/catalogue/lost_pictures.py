"""Images whose stored bytes are gone or damaged: how they are marked, and healed."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.catalogue.tables import Image
from backend.registry.tables import Embedding

LOST_BYTES = "The stored bytes of the image of "
"""How the problem of such an image begins; a reconciliation knows its marks by it."""


def lost_bytes(sku: str) -> str:
    """What is said of an image whose stored bytes cannot be read back."""
    return f"{LOST_BYTES}{sku} are gone: import the same picture again, or delete the image."


def unreadable_bytes(sku: str) -> str:
    """What is said of an image whose stored bytes a failing disk does not give back."""
    return (
        f"{LOST_BYTES}{sku} cannot be read from the disk: check the disk, run akin doctor --repair "
        "--deep, then import the same picture again, or delete the image."
    )


def forget_problems(session: Session, sha256s: Collection[str]) -> bool:
    """Have images of these bytes, stored anew, tried again; whether any had a problem.

    The caller ends its transaction with `ensure_embedded` if so.
    """
    theirs = Embedding.image_id.in_(select(Image.id).where(Image.sha256.in_(sha256s)))
    tried = delete(Embedding).where(theirs, Embedding.error.is_not(None))
    return session.execute(tried.returning(Embedding.image_id)).first() is not None
