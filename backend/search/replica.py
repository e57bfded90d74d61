"""This API process among others: says that it lives, and loads what is about to be deployed."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from uuid import uuid4

import structlog
from sqlalchemy.exc import SQLAlchemyError

from backend.errors import AkinError, NotFound
from backend.outages import told
from backend.registry import replicas
from backend.registry.deployments import Active, to_active
from backend.registry.replicas import Failed, Loaded
from backend.registry.tables import Deployment, ModelVersion
from backend.runtime import Runtime
from backend.search.serving import Serving

SAY_SECONDS = 1.0
_BROKEN = "it failed for a reason that its log tells."

log = structlog.get_logger()


class ReplicaVoice:
    """Two threads: one says every second that the process lives, one loads what it is asked to,
    which may take longer."""

    def __init__(self, runtime: Runtime, serving: Serving) -> None:
        self.id = str(uuid4())
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._runtime = runtime
        self._serving = serving
        self._stopped = threading.Event()
        self._loading: threading.Thread | None = None
        self._failed: Failed | None = None
        self._thread = threading.Thread(target=self._run, name="replica", daemon=True)

    def start(self) -> None:
        """Say it from now on."""
        self._thread.start()

    def close(self) -> None:
        """Say no more, and that nobody need wait."""
        self._stopped.set()
        self._thread.join()
        if self._loading is not None:
            self._loading.join()
        self._safely(self._leave)

    def say(self) -> None:
        """Once: that it lives, what it has loaded, and begin to load what it is asked to."""
        loaded, failed = self._serving.loaded(), self._failed
        with self._runtime.database.write() as session:
            wanted = replicas.say(session, self.id, self.name, loaded, failed)
        if failed is not None:
            self._failed = None  # it is told, or nobody asks for that any more
        if wanted is None or self._failed is not None or self._is_loading:
            return
        self._loading = threading.Thread(target=self._load, args=[wanted], daemon=True)
        self._loading.start()

    @property
    def _is_loading(self) -> bool:
        return self._loading is not None and self._loading.is_alive()

    def _load(self, wanted: Loaded) -> None:
        try:
            self._serving.prepare(self._version(wanted))
            log.info("version loaded before it is deployed", version=wanted[0], gallery=wanted[1])
        except Exception as error:  # whatever it is, what answers goes on, and who waits is told
            known = error if isinstance(error, AkinError) else told(error)
            if known is None:
                log.exception("a version cannot be loaded", version=wanted[0])
            else:
                log.warning("a version cannot be loaded", version=wanted[0], error=str(error))
            # Not the error's own words: they may be a statement, or a path of this machine.
            self._failed = wanted, _BROKEN if known is None else known.sentence

    def _version(self, wanted: Loaded) -> Active:
        version_id, gallery_id = wanted
        with self._runtime.database.read() as session:
            version = session.get(ModelVersion, version_id)
            if version is None:
                raise NotFound(f"There is no version {version_id} any more.")
            return to_active(version, Deployment(id=0, gallery_id=gallery_id))

    def _leave(self) -> None:
        with self._runtime.database.write() as session:
            replicas.leave(session, self.id)

    def _run(self) -> None:
        self._safely(self.say)
        while not self._stopped.wait(SAY_SECONDS):
            self._safely(self.say)

    def _safely(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (AkinError, SQLAlchemyError) as error:
            log.warning("this replica cannot say that it lives", error=str(error))
