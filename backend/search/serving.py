"""What this process answers searches with: the deployed version, followed without a gap.

A version that is deployed is loaded and warmed up beside the one that answers, and only then takes
over: no search waits for it or fails. The one before stays for a while, so that its searches end,
their pages can still be turned, and a rollback is at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from backend import clock
from backend.errors import AkinError, Unavailable
from backend.registry.deployments import Active, active
from backend.runtime import Runtime
from backend.search.service import SearchService
from backend.search.turns import Turns
from backend.search.windows import LIFETIME

FOLLOW_SECONDS = 2.0
KEPT = 2
"""Versions besides the one that answers that stay in memory, for as long as pages are kept."""

log = structlog.get_logger()


@dataclass(eq=False)
class _Served:
    service: SearchService
    users: int = 0
    retired_at: float | None = None


class Serving:
    """The search services of one process: one that answers, and the last ones before it."""

    def __init__(self, runtime: Runtime, now: Active) -> None:
        """Load what answers and warm it up. Raises as `Models.load` and `SearchService` do."""
        settings = runtime.settings
        self.turns = Turns(settings.search_threads, settings.search_waiting)
        self._runtime = runtime
        self._changing = threading.Lock()  # one loads at a time
        self._lock = threading.Lock()  # guards what follows
        self._served: list[_Served] = [_Served(self._made(now))]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow_on, name="serving", daemon=True)

    @property
    def current(self) -> SearchService:
        """The service that new searches go to."""
        with self._lock:
            return self._served[-1].service

    @contextmanager
    def using(self, search_id: str | None = None) -> Iterator[SearchService]:
        """The service for a search, or the one that keeps this earlier search; it stays open."""
        with self._lock:
            served = self._of(search_id)
            served.users += 1
        try:
            yield served.service
        finally:
            with self._lock:
                served.users -= 1

    @contextmanager
    def using_version(self, version: Active) -> Iterator[SearchService]:
        """The service of this version over its own gallery, loaded if it is not in memory; it stays
        open. Takes seconds then, so enter it in a thread.

        It is kept as one that answered before is. Raises as `Models.load` and `SearchService` do.
        """
        with self._changing:
            served = self._held(version)
            if served is None:
                served = _Served(self._made(version), users=1, retired_at=clock.monotonic())
                with self._lock:
                    self._served.insert(0, served)
        self._let_go()
        try:
            yield served.service
        finally:
            with self._lock:
                served.users -= 1
                if served.retired_at is not None:
                    served.retired_at = clock.monotonic()

    def start(self) -> None:
        """Look for newer deployments from now on, every two seconds."""
        self._thread.start()

    def prepare(self, version: Active) -> None:
        """Load a version and warm it up before it is deployed, so that it takes over at once.

        It is kept as one that answered before is. Raises as `Models.load` and `SearchService` do.
        """
        with self._changing:
            if self._find(version) is None:
                made = _Served(self._made(version), retired_at=clock.monotonic())
                with self._lock:
                    self._served.insert(0, made)

    def loaded(self) -> set[tuple[str, str]]:
        """The ids of the versions in memory, each with its gallery's."""
        with self._lock:
            found = [served.service.active for served in self._served]
        return {(one.version_id, one.gallery_id) for one in found}

    def follow(self) -> None:
        """Take over what is deployed now, if that is another version or gallery.

        Raises as `prepare` does; then the one before goes on answering.
        """
        with self._runtime.database.read() as session:
            now = active(session)
        if now.deployment == self.current.active.deployment:
            return
        with self._changing:
            served = self._find(now) or _Served(self._made(now))
            served.service.active = now
            with self._lock:
                self._let_answer(served)
            log.info("version taken over", version=now.version, gallery=now.gallery_id)
        self._let_go()

    def close(self) -> None:
        """Answer what was asked, then stop; later searches raise Unavailable."""
        self._stopped.set()
        self.turns.close()
        if self._thread.is_alive():
            self._thread.join()
        for served in self._served:
            served.service.close()

    def _made(self, version: Active) -> SearchService:
        service = SearchService(self._runtime, self._runtime.models.load(version), version)
        try:
            service.warm_up()
        except BaseException:
            service.close()
            raise
        return service

    def _find(self, version: Active) -> _Served | None:
        """The service of this version over this gallery, if it is in memory."""
        with self._lock:
            return self._among_served(version)

    def _held(self, version: Active) -> _Served | None:
        """The same, with one more user: nobody closes it in between."""
        with self._lock:
            served = self._among_served(version)
            if served is not None:
                served.users += 1
            return served

    def _among_served(self, version: Active) -> _Served | None:
        wanted = (version.version_id, version.gallery_id)
        for served in self._served:
            found = served.service.active
            if (found.version_id, found.gallery_id) == wanted:
                return served
        return None

    def _let_answer(self, served: _Served) -> None:
        """Put it last. It may be so already: where the one deployed since could not be loaded, a
        rollback comes back to what never ceased to answer."""
        previous = self._served[-1]
        if served is previous:
            return
        if served in self._served:
            self._served.remove(served)
        previous.retired_at = clock.monotonic()
        served.retired_at = None
        self._served.append(served)

    def _of(self, search_id: str | None) -> _Served:
        if search_id is not None:
            for served in reversed(self._served):
                if search_id in served.service.windows:
                    return served
        return self._served[-1]

    def _let_go(self) -> None:
        """Close what nobody uses and no page can be asked of any more, or what is too much."""
        with self._lock:
            oldest = clock.monotonic() - LIFETIME
            others = sorted(self._served[:-1], key=lambda one: one.retired_at or 0, reverse=True)
            gone = [
                served
                for number, served in enumerate(others)
                if not served.users and (number >= KEPT or (served.retired_at or 0) < oldest)
            ]
            self._served = [served for served in self._served if served not in gone]
        for served in gone:
            served.service.close()

    def _follow_on(self) -> None:
        while not self._stopped.wait(FOLLOW_SECONDS):
            self._try(self.follow)
            self._let_go()

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (AkinError, SQLAlchemyError, OSError) as error:
            log.warning("the deployed version is not taken over yet", error=str(error))
        except Exception:  # whatever it is, the version that answers goes on
            log.exception("the deployed version is not taken over yet")


def served(found: Serving | None) -> Serving:
    """The serving of this process; raises Unavailable before it is ready."""
    if found is None:
        raise Unavailable("The model is still being loaded: try again in a few seconds.")
    return found
