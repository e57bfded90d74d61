"""The data folder of an embedded installation: one process holds it at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from backend.errors import SetupError


class InUse(SetupError):
    """Another process holds the data folder."""


@contextmanager
def hold(home: Path) -> Iterator[None]:
    """Hold the data folder for the length of the block; the lock goes with the process.

    Raises:
        InUse: if another process holds it; its id is named.
        SetupError: if the folder cannot be written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(home / ".lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InUse(
            f"The data folder {home} is in use by process {_holder(home)}: stop that one first, "
            "or choose another folder with --home."
        ) from error
    except OSError as error:
        raise SetupError(
            f"The data folder {home} cannot be written ({error.strerror}): "
            "choose another with --home or change its permissions."
        ) from error
    try:
        (home / ".holder").write_text(str(os.getpid()))
        yield
    finally:
        lock.release()


def _holder(home: Path) -> str:
    try:
        return (home / ".holder").read_text().strip()
    except OSError:
        return "unknown"
