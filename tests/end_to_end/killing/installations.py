"""The two profiles as something that can be killed and started again at any moment."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from backend.blobs import BlobStore
from backend.database import Database
from backend.gallery.opening import open_store
from backend.gallery.port import GalleryStore
from tests.end_to_end.server import Server
from tests.end_to_end.server_profile import ServerProfile

LONGEST_GRACE = 1.5  # seconds between SIGTERM and SIGKILL


@dataclass
class Parts:
    """What is left when everything has stopped, to be read without Akin's own services."""

    database: Database
    galleries: GalleryStore
    blobs: BlobStore


class Installation(Protocol):
    """A profile under trial."""

    @property
    def url(self) -> str: ...

    def kill(self, chance: random.Random, *, shutting_down: bool) -> str:
        """Kill one process or more, in the middle of a shutdown if so; which they were."""

    def revive(self) -> None:
        """Start again what was killed; returns when the API answers."""

    def encoded(self) -> int:
        """How many images were encoded, as the logs say: a line is written before the points."""

    def parts(self) -> AbstractContextManager[Parts]:
        """SQL, gallery and blobs, opened past Akin."""


@dataclass
class Embedded:
    """One process, and one folder."""

    server: Server

    @property
    def url(self) -> str:
        return self.server.url

    def kill(self, chance: random.Random, *, shutting_down: bool) -> str:
        assert self.server.process is not None
        if shutting_down:
            self.server.process.send_signal(signal.SIGTERM)
            time.sleep(chance.uniform(0, LONGEST_GRACE))
        self.server.kill()
        return "api with worker"

    def revive(self) -> None:
        self.server.start()

    def encoded(self) -> int:
        logs = sorted(self.server.home.glob("akin.log*"))
        return sum(count_encoded(path.read_text()) for path in logs)

    @contextmanager
    def parts(self) -> Iterator[Parts]:
        """Stops the server first: it holds the folder."""
        assert self.server.stop() == 0
        home = self.server.home
        parts = Parts(
            Database(f"sqlite:///{home / 'akin.sqlite3'}"),
            open_store("edge", home / "galleries"),
            BlobStore((home / "blobs").as_uri()),
        )
        yield parts
        parts.galleries.close()
        parts.database.close()


_STOPPED: tuple[tuple[str, ...], ...] = (("worker-1",), ("worker-1", "worker-2"), ("api",))
_VICTIMS: tuple[tuple[str, ...], ...] = (
    ("worker-1",),
    ("worker-2",),
    ("worker-1", "worker-2"),
    ("api",),
    ("api", "worker-1"),
    ("standin",),
    ("redis",),
    ("standin", "worker-2"),
    ("beat",),
    ("api", "worker-1", "worker-2", "beat"),
)


@dataclass
class Served:
    """Two workers, the API, beat, Redis and the stand-in, each a process; PostgreSQL lives on."""

    profile: ServerProfile

    @property
    def url(self) -> str:
        return self.profile.url

    def kill(self, chance: random.Random, *, shutting_down: bool) -> str:
        if not shutting_down:
            victims = chance.choice(_VICTIMS)
        else:
            victims = chance.choice(_STOPPED)
            for name in victims:
                self.profile.running[name].send_signal(signal.SIGTERM)
            time.sleep(chance.uniform(0, LONGEST_GRACE))
        self.profile.kill(*victims)
        return ", ".join(victims)

    def revive(self) -> None:
        gone = [name for name in self.profile.names if name not in self.profile.running]
        if gone:
            self.profile.start(*gone)

    def encoded(self) -> int:
        return sum(count_encoded(self.profile.log(name)) for name in self.profile.worker_names)

    @contextmanager
    def parts(self) -> Iterator[Parts]:
        parts = Parts(
            self.profile.database(),
            self.profile.galleries(),
            BlobStore(Path(self.profile.blob_folder).as_uri()),
        )
        yield parts
        parts.galleries.close()
        parts.database.close()


def count_encoded(log: str) -> int:
    """The images of all lines that say `encoded`, in a log of JSON lines; a killed process may
    have left its last line half written."""
    return sum(_images(line) for line in log.splitlines() if '"encoded"' in line)


def _images(line: str) -> int:
    try:
        said = json.loads(line)
    except ValueError:
        return 0
    return int(said["images"]) if said["event"] == "encoded" else 0
