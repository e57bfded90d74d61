"""Room on the disk, looked at before it is needed.

Qdrant Edge writes through memory maps, and on a full disk such a write does not fail, it kills the
process (tried: SIGBUS). So a gallery is not written unless some room is left; and files that come
in stop earlier than that, so that they do not take it from galleries, SQL and the log.
"""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from backend.errors import NoSpace

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says when a write finds no room."""

GALLERY_RESERVE = 64 * 2**20
FILES_RESERVE = 2 * GALLERY_RESERVE


def check_room(folder: str | Path, reserve: int) -> None:
    """Raises NoSpace if fewer than `reserve` bytes are free on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if free < reserve:
        raise NoSpace(
            f"The disk that holds Akin's data is full ({free // 2**20} MB are left, and the last "
            f"{reserve // 2**20} are kept for what is there already): make room and try again; "
            "what was stored is kept."
        )
