"""What holds the data: SQL, galleries, blobs and the queue, in one folder or as services."""

from __future__ import annotations

from contextlib import ExitStack, closing

from backend.blobs import BlobStore
from backend.data_folder import InUse, hold
from backend.errors import SetupError
from backend.gallery.port import GalleryStore
from backend.settings import Settings

SKEW_SECONDS = 2.0
"""A lease lasts 60 seconds and is renewed after 15."""


def data(settings: Settings) -> str:
    """Open the parts as the server would, unless a server has them open."""
    if not settings.home.exists():
        return f"nothing in {settings.home.absolute()} yet."
    with ExitStack() as stack:
        try:
            stack.enter_context(hold(settings.home))
        except InUse as error:
            return f"{error.sentence.split(':')[0]}, as it should be while a server runs."
        return _opened(settings)


def _opened(settings: Settings) -> str:
    from backend.migrating import is_behind
    from backend.runtime import open_runtime

    with closing(open_runtime(settings)) as runtime:
        behind = is_behind(runtime.database)
        galleries = _laid_out(runtime.galleries)
        _try_blobs(runtime.blobs)
    tables = "; the tables will be brought up to date at the next start" if behind else ""
    where = f" (at {settings.blob_url})" if settings.blob_url else ""
    return f"database, blobs{where} and galleries open{tables}: {galleries}."


def _try_blobs(store: BlobStore) -> None:
    probe = store.put(b"akin doctor was here")
    store.read(probe)
    store.delete(probe)


def database(settings: Settings) -> str:
    from backend.database import open_database
    from backend.migrating import check

    with closing(open_database(settings)) as database:
        check(database)
    return "answers, and its tables are of this version."


def clock(settings: Settings) -> str:
    """Leases and links are timed by the clocks of several machines."""
    from sqlalchemy import func, select

    from backend.clock import now
    from backend.database import open_database

    with closing(open_database(settings)) as database:
        if database.is_sqlite:
            return "there is one only."
        with database.read() as session:
            before = now()
            theirs = session.scalars(select(func.clock_timestamp())).one()
            after = now()
    skew = (theirs - before).total_seconds() - (after - before).total_seconds() / 2
    if abs(skew) > SKEW_SECONDS:
        side = "ahead of" if skew > 0 else "behind"
        raise SetupError(
            f"The database's clock is {abs(skew):.1f} seconds {side} this machine's: "
            "let both be set by NTP, or leases are taken too early or too late."
        )
    return f"this machine's and the database's agree within {max(abs(skew), 0.1):.1f} seconds."


def gallery(settings: Settings) -> str:
    from backend.gallery.opening import open_store

    store = open_store(
        settings.gallery_url,
        settings.home / "galleries",
        settings.gallery_layout,
        settings.gallery_access,
    )
    with closing(store):
        return f"answers, {_laid_out(store)}."


def _laid_out(store: GalleryStore) -> str:
    galleries = [store.open(name) for name in store.names()]
    points = sum(gallery.count() for gallery in galleries)
    told = "".join(f"; {gallery.name}: {gallery.laid().sentence}" for gallery in galleries)
    named = "gallery" if len(galleries) == 1 else "galleries"
    return f"{len(galleries)} {named} with {points:,} points{told}"


def blobs(settings: Settings) -> str:
    try:
        store = BlobStore(settings.blob_root, settings.s3_endpoint_url)
        store.check()
        _try_blobs(store)
    except OSError as error:
        raise SetupError(
            f"The blob store {settings.blob_root} cannot be written ({error.strerror or error}): "
            "correct AKIN_BLOB_URL, or what it may be written by."
        ) from error
    return f"{settings.blob_root} can be written and read."


def queue(settings: Settings) -> str:
    """The broker answers, throws no message away, and a worker waits at every queue."""
    from backend.jobs.broker import QUEUE_OF_KIND, Queue

    with closing(Queue(settings.broker_url)) as queue:
        queue.ping()
        policy = queue.eviction_policy()
        if policy not in {None, "noeviction"}:
            raise SetupError(
                f"Redis may throw messages away (maxmemory-policy {policy}): set it to noeviction."
            )
        workers = queue.workers()
    served = set().union(*workers.values())
    missing = sorted({*QUEUE_OF_KIND.values(), "beat"} - served)
    if missing:
        raise SetupError(
            f"No worker takes the queue {', '.join(missing)}: start one with "
            f"`celery -A workers.server worker -P threads -Q {','.join(missing)}`."
        )
    heard = "; ".join(f"{name}: {', '.join(sorted(workers[name]))}" for name in sorted(workers))
    return f"answers, and workers take {', '.join(sorted(served))} ({heard})."
