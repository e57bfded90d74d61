"""The API processes of the server profile, and what each has loaded.

Before a version is deployed every one that lives loads it, so that none answers with the version
before for longer than it takes to notice. One that is gone is not waited for: it counts as alive
only for ten seconds after its last word. Nor is one that is slow, for longer than a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from backend import clock
from backend.database import Database
from backend.errors import Unavailable
from backend.registry.tables import Replica

Loaded = tuple[str, str]
"""A version and the gallery that it searches, by their ids."""

Failed = tuple[Loaded, str]
"""What a replica could not load, and why, in one sentence."""

LIVE_SECONDS = 10.0
PRELOAD_SECONDS = 45.0  # a client waits a minute for its answer
FORGOTTEN = timedelta(days=1)
_LOOK_SECONDS = 0.1

log = structlog.get_logger()


def say(
    session: Session,
    replica_id: str,
    name: str,
    loaded: Collection[Loaded],
    failed: Failed | None = None,
) -> Loaded | None:
    """Write that a replica lives and what it has loaded; what it has to load now, if anything.

    failed: what came of loading, told once. It stands in the row until somebody asks again, and is
    of no interest where something else is asked by now.
    """
    row = session.get(Replica, replica_id, with_for_update=True)
    if row is None:
        session.execute(delete(Replica).where(Replica.seen_at < clock.now() - FORGOTTEN))
        row = Replica(id=replica_id, name=name[:100])
        session.add(row)
    row.seen_at = clock.now()
    row.loaded = sorted(list(one) for one in loaded)
    asked = _asked(row)
    if asked is None or asked in loaded:
        row.asked_version = row.asked_gallery = row.error = None
        return None
    if failed is not None and failed[0] == asked:
        row.error = failed[1]
    return asked if row.error is None else None


def leave(session: Session, replica_id: str) -> None:
    """A replica ends, and nobody waits for it."""
    session.execute(delete(Replica).where(Replica.id == replica_id))


def preload(
    database: Database,
    wanted: Loaded,
    seconds: float = PRELOAD_SECONDS,
    meanwhile: Callable[[], None] | None = None,
) -> list[str]:
    """Let every replica that lives load a version, and wait until they have; the names of those
    that had not after `seconds`, which will take it over later.

    meanwhile: what is done here once they are asked; the time that it takes is of the `seconds`.

    Raises:
        Unavailable: if one of them cannot load it; and whatever `meanwhile` raises.
    """
    until = clock.monotonic() + seconds
    with database.write() as session:
        _ask(session, wanted)
    if meanwhile is not None:
        meanwhile()
    while True:
        with database.read() as session:
            late = _without(session, wanted)
        if not late:
            return []
        if clock.monotonic() >= until:
            names = sorted(replica.name for replica in late)
            log.warning("not every replica has loaded the version", late=names, version=wanted[0])
            return names
        if any(_asked(replica) is None for replica in late):
            with database.write() as session:
                _ask(session, wanted, Replica.asked_version.is_(None))
        time.sleep(_LOOK_SECONDS)


def _ask(session: Session, wanted: Loaded, *which: ColumnElement[bool]) -> None:
    """Ask every replica, or those; asked again, one that failed tries again."""
    asked = {"asked_version": wanted[0], "asked_gallery": wanted[1], "error": None}
    session.execute(update(Replica).where(*which).values(asked))


def _without(session: Session, wanted: Loaded) -> list[Replica]:
    """The replicas alive that have not loaded it yet; raises `Unavailable` if one cannot.

    One that is asked nothing started after the others were asked, or has just ended another's wish.
    """
    late = []
    for replica in session.scalars(select(Replica).where(Replica.seen_at > _alive_since())):
        if list(wanted) in replica.loaded:
            continue
        if replica.error is not None and _asked(replica) == wanted:
            raise Unavailable(
                f"The API process {replica.name} cannot load this version, so nothing was changed: "
                f"{replica.error}"
            )
        late.append(replica)
    return late


def _asked(replica: Replica) -> Loaded | None:
    if replica.asked_version is None or replica.asked_gallery is None:
        return None
    return replica.asked_version, replica.asked_gallery


def _alive_since() -> datetime:
    return clock.now() - timedelta(seconds=LIVE_SECONDS)
