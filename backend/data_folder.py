"""The data folder of an embedded installation: one process holds it at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from backend.disk_space import FULL
from backend.errors import SetupError

FORMAT = 1
"""How blobs and galleries lie in the folder; the tables have a version of their own."""

FORMAT_FILE = ".format"


class InUse(SetupError):
    """Another process holds the data folder."""


@contextmanager
def hold(home: Path) -> Iterator[None]:
    """Hold the data folder for the length of the block; the lock goes with the process.

    Raises:
        InUse: if another process holds it; its id is named.
        SetupError: if the folder cannot be written, or a newer version of Akin laid it out.
    """
    with _telling(home):
        home.mkdir(parents=True, exist_ok=True)
        found = _format_of(home)
        lock = FileLock(home / ".lock")
        lock.acquire(timeout=0)
    try:
        with _telling(home):
            (home / ".holder").write_text(str(os.getpid()))
            if not found:
                (home / FORMAT_FILE).write_text(f"{FORMAT}\n")
        yield
    finally:
        lock.release()


@contextmanager
def _telling(home: Path) -> Iterator[None]:
    try:
        yield
    except Timeout as error:
        raise InUse(
            f"The data folder {home} is in use by process {_holder(home)}: stop that one first, "
            "or choose another folder with --home."
        ) from error
    except OSError as error:
        if error.errno in FULL:
            raise SetupError(
                f"The disk of the data folder {home} is full: make room, or choose another with "
                "--home."
            ) from error
        raise SetupError(
            f"The data folder {home} cannot be written ({error.strerror}): "
            "choose another with --home or change its permissions."
        ) from error


def _format_of(home: Path) -> str:
    """What the folder says; nothing if it is new, or a full disk kept it from saying more."""
    try:
        found = (home / FORMAT_FILE).read_text(errors="replace").strip()
    except FileNotFoundError:
        return ""
    if found not in {"", str(FORMAT)}:
        raise SetupError(
            f"The data folder {home} is laid out by a newer version of Akin (format "
            f"{found[:20]!r}, and this one knows {FORMAT}): install that version, or start this "
            "one on another data folder with --home."
        )
    return found


def _holder(home: Path) -> str:
    try:
        return (home / ".holder").read_text().strip()
    except OSError:
        return "unknown"
