"""The HTTP application, and the embedded start that puts the worker beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import structlog
from fastapi import APIRouter, Depends, FastAPI
from starlette.routing import BaseRoute

from backend import health, openapi, problems
from backend.accounts import routes as account_routes
from backend.accounts.door import KnownFirst
from backend.accounts.guard import check_door, demanded
from backend.audit import routes as audit_routes
from backend.backup import routes as backup_routes
from backend.bodies import BodyLimit
from backend.catalogue import import_routes
from backend.catalogue import routes as catalogue_routes
from backend.errors import Unavailable
from backend.feedback import routes as feedback_routes
from backend.gauges import Gauges
from backend.jobs import routes as job_routes
from backend.jobs.lease import reclaim_all
from backend.middleware import HostCheck, OriginCheck, RequestId, RequestMetrics
from backend.migrating import check, upgrade
from backend.rate_limits import RateLimits, limit_logins, limit_rate
from backend.readiness import Readiness, checks_of
from backend.registry import deployment_routes, gallery_routes, version_routes
from backend.registry import routes as registry_routes
from backend.registry.retention import drop_orphans
from backend.registry.service import ensure_active
from backend.runtime import Runtime
from backend.search import compare_routes
from backend.search import routes as search_routes
from backend.search.replica import ReplicaVoice
from backend.search.serving import Serving
from backend.security_headers import SecurityHeaders
from backend.settings import LOOPBACK
from backend.training import measuring_routes
from backend.training import routes as training_routes
from workers.app import start_in_process
from workers.recipes.offering import offered_recipes

log = structlog.get_logger()

Tell = Callable[[str], None]

DESCRIPTION = """
Composed image retrieval for product catalogues: a picture and a sentence find products.

Errors are problem documents (RFC 9457) whose `detail` says what happened and what to do. Lists are
paged by cursor. Long work answers 202 with a job, to be followed under `/v1/jobs/{id}`.
"""


ROUTED = (
    account_routes,
    catalogue_routes,
    import_routes,
    search_routes,
    compare_routes,
    job_routes,
    deployment_routes,
    version_routes,
    registry_routes,
    gallery_routes,
    audit_routes,
    training_routes,
    measuring_routes,
    feedback_routes,
    backup_routes,
)


@cache
def _routes() -> list[BaseRoute]:
    """Every operation of the API. Only once a process, whatever number of apps it makes: FastAPI
    reads every signature anew where a router is included, and takes a third of a second for it."""
    api = APIRouter()
    # Not one dependency for the whole app: it asks who is there, and health does not want to know.
    refusals: dict[int | str, dict[str, Any]] = {
        status: problems.PROBLEM_RESPONSES[status] for status in (401, 429)
    }
    api.include_router(
        account_routes.door, dependencies=[Depends(limit_logins)], responses=refusals
    )
    for module in ROUTED:
        api.include_router(module.router, dependencies=[Depends(limit_rate)], responses=refusals)
    api.include_router(health.router)
    return list(api.routes)


def create_app(runtime: Runtime) -> FastAPI:
    """The application over an open runtime. It answers searches while `running` holds it."""
    app = FastAPI(title="Akin", version="1", description=DESCRIPTION, routes=_routes())
    app.state.runtime = runtime
    app.state.rate_limits = RateLimits(runtime.settings)
    app.state.recipes = offered_recipes
    app.state.gauges = Gauges(runtime)
    app.state.readiness = Readiness(checks_of(runtime))
    problems.install(app)
    openapi.describe(app)
    app.add_middleware(KnownFirst, limit=runtime.settings.max_body_bytes)
    app.add_middleware(RequestMetrics, routes=app.routes)
    app.add_middleware(BodyLimit, limit=runtime.settings.max_body_bytes)
    app.add_middleware(OriginCheck, allowed=runtime.settings.allowed_hosts)
    # Where people log in a foreign page's name for this server gains nothing: it has no token.
    if runtime.settings.host in LOOPBACK or not demanded(runtime.settings):
        app.add_middleware(HostCheck, allowed=runtime.settings.allowed_hosts)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestId)  # the last one is the outermost: every answer has its id
    return app


@contextmanager
def running(app: FastAPI, runtime: Runtime, tell: Tell = lambda _: None) -> Iterator[None]:
    """Migrate, load the model, optimise its gallery, warm up, start the embedded worker; all of it
    back at the end. What takes minutes is told to `tell` in a sentence.

    Raises:
        SetupError: for tables of another version, an open door, or a backbone that cannot be loaded
            or has other weights than those the catalogue was embedded with.
    """
    database = runtime.database
    if runtime.settings.embedded:
        upgrade(database)
    else:
        check(database)
    with database.read() as session:
        check_door(runtime.settings, session)
    runtime.guard.look()  # before the first request, so that none has to
    backbone = runtime.backbone()
    # They hash all weights: not inside the transaction.
    _ = backbone.fingerprint, backbone.text_fingerprint
    if runtime.settings.embedded:
        runtime.blobs.clear_aside()
    with database.write() as session:
        if runtime.settings.embedded:
            reclaim_all(session)
            drop_orphans(session, runtime.galleries)
        active = ensure_active(session, runtime, backbone)
    _optimise(runtime, active.gallery_id, tell)
    serving = Serving(runtime, active)
    worker = start_in_process(runtime) if runtime.settings.embedded else None
    serving.start()
    replica = None if runtime.settings.embedded else ReplicaVoice(runtime, serving)
    if replica is not None:
        replica.start()
    app.state.serving = serving
    log.info("ready", version=active.version, gallery=active.gallery_id)
    try:
        yield
    finally:
        app.state.serving = None
        if replica is not None:
            replica.close()
        if worker is not None and not worker.stop():
            log.warning("a task did not stop in time; its job is taken up at the next start")
        serving.close()


def _optimise(runtime: Runtime, gallery_id: str, tell: Tell) -> None:
    """Before the gallery is searched, because it is closed meanwhile; a small one stays as it is.

    A failure is only logged: what is not optimised is searched exactly, slower.
    """

    def begun(points: int) -> None:
        log.info("optimising the gallery", gallery=gallery_id, points=points)
        tell(f"Optimising the gallery of {points:,} pictures for search: this can take minutes.")

    try:
        runtime.galleries.open(gallery_id).optimise(begun)
    except Unavailable as error:
        log.warning("the gallery is not optimised", gallery=gallery_id, error=error.sentence)
