"""How every gallery stands: in SQL, in its store, over HTTP and as the command shows it."""

from __future__ import annotations

import json
import shutil
import uuid
from datetime import UTC, datetime

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select
from typer.testing import CliRunner

from backend.accounts.actor import Actor, current_actor
from backend.catalogue.service import ensure_embedded
from backend.catalogue.tables import Image
from backend.cli import app as commands
from backend.commands import galleries as command
from backend.database import Database
from backend.gallery.port import Point
from backend.jobs import lease, service
from backend.jobs.reconciling import ensure_reconcile
from backend.jobs.schemas import ReconcileRequest
from backend.registry.gallery_routes import router
from backend.registry.gallery_schemas import GalleriesOut, GalleryOut
from backend.registry.gallery_states import read_states, refused_images, with_points
from backend.registry.service import ensure_active
from backend.registry.tables import GalleryRow
from backend.runtime import Runtime
from tests.api import api_of, client_of
from tests.backend.catalogue.hundred_thousand import GALLERY, seed
from tests.backend.catalogue.plans import asked, read_whole
from tests.backend.catalogue.stock import embedded, product
from tests.conftest import MovableClock

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def shop(runtime: Runtime, tiny) -> Runtime:
    """An active gallery and another that its store has not; five images, three points."""
    with runtime.database.write() as session:
        now = ensure_active(session, runtime, tiny)
        session.add(GalleryRow(id="g-lost", fingerprint="b" * 64, dim=4, created_at=NOON))
        for number, sku in enumerate(("A", "B", "C", "D", "E")):
            product(session, sku, number)
        images = session.scalars(select(Image).order_by(Image.number)).all()
        for image in images[:3]:
            embedded(session, image, now.gallery_id)
        embedded(session, images[3], now.gallery_id, error="D is no picture.")
        ids = [image.id for image in images]
    vectors = np.eye(now.dim, dtype=np.float32)
    points = [Point(ids[number], vectors[number], {}) for number in range(2)]
    stranger = Point(str(uuid.UUID(int=7)), vectors[5], {})
    runtime.galleries.open(now.gallery_id).upsert([*points, stranger])
    return runtime


def states(runtime: Runtime) -> GalleriesOut:
    with runtime.database.read() as session:
        found = read_states(session)
    return with_points(found, runtime.galleries)


def reconciled(runtime: Runtime, result: dict[str, object]) -> None:
    with runtime.database.write() as session:
        job = ensure_reconcile(session, runtime.queue, ReconcileRequest(mend=False), "ann")
        lease.claim(session, job.id, "worker")
        lease.finish(job, result)


def test_a_gallery_says_how_much_of_the_catalogue_it_holds(shop: Runtime, tiny) -> None:
    active = next(one for one in states(shop).galleries if one.active)
    assert (active.fingerprint, active.dim) == (tiny.fingerprint, tiny.dim)
    assert (active.images, active.embedded, active.missing, active.refused) == (5, 3, 1, 1)
    assert (active.share, active.complete) == (0.6, False)
    assert (active.held, active.points, active.problem) == (3, 3, None)
    assert str(active.layout).startswith("1 shard, 1 replica, vectors in memory, not quantized")
    assert [(one.sku, one.reason) for one in active.refusals] == [("D", "D is no picture.")]
    assert len(active.versions) == 1
    assert active.found is None


def test_one_that_cannot_be_opened_says_so_and_the_rest_is_told(shop: Runtime) -> None:
    lost = next(one for one in states(shop).galleries if one.id == "g-lost")
    assert (lost.points, lost.active, lost.missing) == (None, False, 5)
    assert lost.problem is not None
    assert "g-lost" in lost.problem
    assert (lost.versions, lost.refusals) == ([], [])


def test_a_folder_that_is_damaged_is_a_problem_of_that_gallery_alone(
    shop: Runtime, database: Database
) -> None:
    if not database.is_sqlite:
        pytest.skip("the store in memory has no folder")
    name = next(one.id for one in states(shop).galleries if one.active)
    shop.galleries.close()
    folder = shop.settings.home / "galleries" / name
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "config.json").write_text("{")
    problem = next(one.problem for one in states(shop).galleries if one.id == name)
    assert problem


def test_the_last_reconciliation_is_told_gallery_by_gallery(
    shop: Runtime, clock: MovableClock
) -> None:
    assert states(shop).reconciled is None
    name = next(one.id for one in states(shop).galleries if one.active)
    reconciled(shop, {"points": 3, "galleries": {name: {"rows_without_point": 9}}})
    clock.advance(60)
    reconciled(shop, {"points": 3, "galleries": {name: {"rows_without_point": 1}}})
    clock.advance(60)
    with shop.database.write() as session:
        under_way = ensure_reconcile(session, shop.queue, ReconcileRequest(), "ann").id
    found = states(shop)
    assert {one.id: one.found for one in found.galleries} == {
        name: {"rows_without_point": 1},
        "g-lost": None,
    }
    assert found.reconciled is not None
    assert found.reconciling is not None
    assert (found.reconciled.actor, found.reconciling.id) == ("ann", under_way)


def test_the_embed_job_at_work_is_shown_and_one_that_ended_is_not(shop: Runtime) -> None:
    with shop.database.write() as session:
        ensure_embedded(session, shop.queue)
    jobs = {one.id: one.job for one in states(shop).galleries}
    assert all(job is not None and job.state == "queued" for job in jobs.values())
    for job in jobs.values():
        assert job is not None
        with shop.database.write() as session:
            service.cancel(session, job.id)
    assert [one.job for one in states(shop).galleries] == [None, None]


def test_refusals_are_read_over_their_own_index(database: Database) -> None:
    seed(database, 3000)

    def question(session) -> None:
        assert refused_images(session, GALLERY, 50) == []

    assert read_whole(database, asked(database, question)) == {}


@pytest.fixture
def api(shop: Runtime) -> FastAPI:
    return api_of(shop, router)


def test_over_http_it_is_the_same(api: FastAPI, shop: Runtime) -> None:
    assert client_of(api).galleries() == states(shop)


def test_a_shopper_does_not_see_them(api: FastAPI) -> None:
    api.dependency_overrides[current_actor] = lambda: Actor("sue", "shopper")
    assert TestClient(api).get("/v1/galleries").status_code == 403


def test_the_documented_answer_is_one(api: FastAPI) -> None:
    operation = TestClient(api).get("/openapi.json").json()["paths"]["/v1/galleries"]["get"]
    example = operation["responses"]["200"]["content"]["application/json"]["example"]
    (given,) = example["galleries"]
    one = GalleryOut.model_validate(given)
    assert one.images == one.embedded + one.stale + one.missing + one.refused
    assert one.found == example["reconciled"]["result"]["galleries"][one.id]


def test_the_command_lists_them(api: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "connect", lambda url: client_of(api))
    monkeypatch.setenv("COLUMNS", "160")
    shown = CliRunner().invoke(commands, ["galleries", "list"])
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert any("active" in line and "60.0 %" in line for line in lines)
    assert any("g-lost" in line and "0.0 %" in line and "?" in line for line in lines)
    assert "g-lost: " in shown.stderr
    told = json.loads(CliRunner().invoke(commands, ["galleries", "list", "--json"]).stdout)
    assert len(told["galleries"]) == 2
