"""Promotions that wait for a gallery: switched as soon as it holds the catalogue."""

from __future__ import annotations

import structlog

from backend.errors import AkinError, NotFound
from backend.registry.deployments import Active, active
from backend.registry.promotion import lacking, switch, waiting_promotion
from backend.registry.replicas import preload
from backend.registry.retention import drop_gallery, droppable
from backend.runtime import Runtime

log = structlog.get_logger()


def settle(runtime: Runtime) -> Active | None:
    """Deploy the waiting version if its gallery is ready; what was deployed, if anything.

    Every API process that lives has loaded it by then, or was waited for long enough. The gallery
    is brought into its fastest form first, as long as nobody searches it. Safe to call from any
    process at any time, and again after one was killed in it: the row is appended in one
    transaction that looks at everything anew.
    """
    with runtime.database.read() as session:
        waiting = waiting_promotion(session)
        if waiting is None or waiting.gallery_id is None:
            return None
        version_id, gallery_id = waiting.version_id, waiting.gallery_id
        if lacking(session, gallery_id, active(session).gallery_id):
            return None
    try:
        runtime.galleries.open(gallery_id).optimise()
    except NotFound:
        return None
    except AkinError as error:
        log.warning("the gallery is not optimised", gallery=gallery_id, error=error.sentence)
    try:
        preload(runtime.database, (version_id, gallery_id))
    except AkinError as error:
        log.warning("not promoted yet, next round again", version=version_id, error=error.sentence)
        return None
    with runtime.database.write() as session:
        deployed = switch(session)
    if deployed is not None:
        log.info("promoted", version=deployed.version, gallery=deployed.gallery_id)
    return deployed


def let_go(runtime: Runtime) -> list[str]:
    """Drop the galleries that nothing needs any more; which they were."""
    with runtime.database.read() as session:
        wanted = droppable(session, runtime.settings.keep_gallery_days)
    for gallery_id in wanted:
        with runtime.database.write() as session:
            drop_gallery(session, runtime.galleries, gallery_id)
        log.info("gallery dropped", gallery=gallery_id)
    return wanted
