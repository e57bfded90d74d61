"""Every part of an installation, looked at one by one; each finding says what to do."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass

import httpx

from backend.agreement import Agreement
from backend.blobs import BlobStore
from backend.data_folder import InUse, hold
from backend.errors import AkinError, SetupError
from backend.gallery.port import GalleryStore
from backend.masking import masked
from backend.settings import Settings

FREE_BYTES = 1024**3
SKEW_SECONDS = 2.0
"""A lease lasts 60 seconds and is renewed after 15."""


@dataclass(frozen=True)
class Finding:
    """One part of the setup: whether it is good, a sentence, and what else is to be said."""

    part: str
    good: bool
    sentence: str
    details: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


Check = Callable[[Settings], str]


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at every part, one finding each; one that cannot be looked at says so."""
    checks: dict[str, Check] = {
        "python": _python,
        "torch": _torch,
        "settings": _settings,
        "disk": _disk,
        "server": _server,
        "ui": _ui,
        **(_EMBEDDED if settings.embedded else _SERVICES),
        "backbone": _backbone,
    }
    for part, check in checks.items():
        try:
            yield Finding(part, good=True, sentence=masked(check(settings)))
        except AkinError as error:
            yield Finding(part, good=False, sentence=error.sentence)


def agreement(compare: Callable[[], Agreement | None], *, mended: bool) -> Finding:
    """Whether SQL, blobs and galleries agree, as `compare` finds it."""
    part = "agreement"
    try:
        found = compare()
    except AkinError as error:
        return Finding(part, good=False, sentence=error.sentence)
    if found is None:
        return Finding(part, good=True, sentence="nothing to compare yet.")
    counts = _in_words(found.counts)
    if not found.sentences:
        return Finding(part, good=True, sentence=f"SQL, blobs and galleries agree: {counts}.")
    good = mended and not found.lost
    return Finding(part, good, f"{_told(found, mended=mended)} ({counts}).", found.sentences)


def _told(found: Agreement, *, mended: bool) -> str:
    told = []
    if found.found and mended:
        told.append(f"{found.found:,} things were out of line and are mended")
    elif found.found:
        told.append(f"{found.found:,} things are out of line: `akin doctor --repair` mends them")
    if found.lost:
        told.append(f"{found.lost:,} images have lost their stored bytes: import them again")
    return "; ".join(told)


def _in_words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts.get(part, 0):,} {part}" for part in ("images", "points", "blobs"))


def _python(_settings: Settings) -> str:
    return f"Python {sys.version.split()[0]}."


def _torch(_settings: Settings) -> str:
    try:
        import torch
        import torchvision  # type: ignore[import-untyped,unused-ignore]
    except (ImportError, OSError, RuntimeError) as error:
        raise SetupError(
            f"torch and torchvision cannot be imported together ({error}): run `make install`, "
            "which installs them as one pair."
        ) from error
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU, on the CPU"
    return f"torch {torch.__version__}, torchvision {torchvision.__version__}, {device}."


def _settings(settings: Settings) -> str:
    settings.check()
    profile = "embedded" if settings.embedded else "server"
    return f"{profile} profile, data in {settings.home.absolute()}."


def _disk(settings: Settings) -> str:
    place = settings.home.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < FREE_BYTES:
        raise SetupError(
            f"Only {free // 2**20} MB are free for {settings.home}: "
            "make room, or choose another folder with --home."
        )
    return f"{free / 1024**3:.0f} GB free."


def _server(settings: Settings) -> str:
    try:
        answer = httpx.get(f"{settings.api_url}/readyz", timeout=5)
    except httpx.TransportError:
        return f"none running at {settings.api_url}; `akin up` starts one."
    if answer.is_error:
        raise SetupError(
            f"What answers at {settings.api_url} is not ready (HTTP {answer.status_code}): wait a "
            "few seconds, or choose another port with AKIN_PORT."
        )
    return f"ready at {settings.api_url}."


def _ui(settings: Settings) -> str:
    try:
        answer = httpx.get(f"{settings.ui_url}/_stcore/health", timeout=5)
    except httpx.TransportError:
        return f"none running at {settings.ui_url}; `akin up` starts one beside the API."
    if answer.is_error:
        raise SetupError(
            f"What answers at {settings.ui_url} is no UI of Akin (HTTP {answer.status_code}): "
            "choose another port with AKIN_UI_PORT."
        )
    return f"answers at {settings.ui_url}."


def _data(settings: Settings) -> str:
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


def _try_blobs(blobs: BlobStore) -> None:
    probe = blobs.put(b"akin doctor was here")
    blobs.read(probe)
    blobs.delete(probe)


def _database(settings: Settings) -> str:
    from backend.database import Database
    from backend.migrating import check

    with closing(Database(settings.sql_url, settings.database_pool)) as database:
        database.ping()
        check(database)
    return "answers, and its tables are of this version."


def _clock(settings: Settings) -> str:
    """Leases and links are timed by the clocks of several machines."""
    from sqlalchemy import func, select

    from backend import clock
    from backend.database import Database

    with closing(Database(settings.sql_url)) as database:
        database.ping()
        if database.is_sqlite:
            return "there is one only."
        with database.read() as session:
            before = clock.now()
            theirs = session.scalars(select(func.clock_timestamp())).one()
            after = clock.now()
    skew = (theirs - before).total_seconds() - (after - before).total_seconds() / 2
    if abs(skew) > SKEW_SECONDS:
        side = "ahead of" if skew > 0 else "behind"
        raise SetupError(
            f"The database's clock is {abs(skew):.1f} seconds {side} this machine's: "
            "let both be set by NTP, or leases are taken too early or too late."
        )
    return f"this machine's and the database's agree within {max(abs(skew), 0.1):.1f} seconds."


def _gallery(settings: Settings) -> str:
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


def _blobs(settings: Settings) -> str:
    try:
        blobs = BlobStore(settings.blob_root, settings.s3_endpoint_url)
        blobs.check()
        _try_blobs(blobs)
    except OSError as error:
        raise SetupError(
            f"The blob store {settings.blob_root} cannot be written ({error.strerror or error}): "
            "correct AKIN_BLOB_URL, or what it may be written by."
        ) from error
    return f"{settings.blob_root} can be written and read."


def _queue(settings: Settings) -> str:
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


def _backbone(settings: Settings) -> str:
    from backend.encoding.backbone import BackboneSpec, load_backbone

    spec = BackboneSpec(settings.backbone, settings.pretrained, settings.preprocessing)
    backbone = load_backbone(spec, device=settings.device, threads=settings.query_threads)
    backbone.encode_texts(["a red dress"])
    note = " (demo: it knows drawn garments; docs/backbones.md for photos)"
    return f"{spec.name} encodes, {backbone.dim} dimensions{note if backbone.is_demo else ''}."


_EMBEDDED: dict[str, Check] = {"data": _data}
_SERVICES: dict[str, Check] = {
    "database": _database,
    "clock": _clock,
    "gallery": _gallery,
    "blobs": _blobs,
    "queue": _queue,
}
