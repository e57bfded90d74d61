"""Servers to be measured: over a folder, over a copy of one, with settings of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from tests.end_to_end.server import Server

SEARCHABLE = ("akin.sqlite3*", "galleries")  # pictures are not needed to answer


@contextmanager
def served(home: Path, *options: str, **settings: object) -> Iterator[Server]:
    """A server over a data folder; `settings` are environment variables."""
    environment = ("env", *(f"{name}={value}" for name, value in settings.items()))
    server = Server(home, ("--no-ui", *options), prefix=environment)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def searchable_copy(home: Path, to: Path) -> Path:
    """What of a filled data folder answers searches, copied; the folder stays as it is.

    Exits where there is none, or where a server holds it.
    """
    if not (home / "akin.sqlite3").exists():
        raise SystemExit(f"There is no filled data folder {home}: fill one with akin up --home.")
    try:
        with FileLock(home / ".lock").acquire(timeout=0):
            to.mkdir(parents=True)
            for path in (found for pattern in SEARCHABLE for found in home.glob(pattern)):
                (shutil.copytree if path.is_dir() else shutil.copy2)(path, to / path.name)
    except Timeout:
        raise SystemExit(f"A server holds {home}: stop it first.") from None
    return to


def processor_seconds(server: Server) -> float:
    """Seconds of processor the server's process has used so far."""
    if server.process is None:
        raise RuntimeError("the server does not run")
    used = psutil.Process(server.process.pid).cpu_times()
    return float(used.user + used.system)
