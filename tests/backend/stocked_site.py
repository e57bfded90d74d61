"""The whole API with accounts on, over a shop that has one of everything that a path can name."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from backend import clock
from backend.accounts import passwords, service
from backend.accounts.roles import Role
from backend.app import create_app
from backend.composition.card import read_card
from backend.jobs import service as jobs
from backend.jobs.tables import JobItem
from backend.migrating import upgrade
from backend.registry.in_training import begin_training
from backend.registry.lifecycle import register, version_row
from backend.registry.service import ensure_active
from backend.runtime import Runtime, open_runtime
from backend.search.serving import Serving
from backend.settings import Settings
from backend.training.tables import TrainingLogLine, TrainingPoint
from tests.backend.composition.trained_models import write_model
from tests.backend.search.shop import Shop, picture, write_tiny_backbone

PASSWORD = "correct horse battery"
PEOPLE: dict[str, Role] = {"ann": "admin", "mia": "manager", "sue": "shopper", "tom": "shopper"}
COLOURS = ("red", "green", "blue")
Values = dict[str, list[str]]


@dataclass
class Site:
    """The application, how each role is let in, and what there is by kind."""

    app: FastAPI
    tokens: dict[Role, str]
    there: Values


@contextmanager
def stocked_site(folder: Path) -> Iterator[Site]:
    """Open it in an empty folder. No worker runs: jobs stay as they are."""
    tiny = write_tiny_backbone(folder / "tiny")
    settings = Settings(
        home=folder / "home",
        backbone=f"local-dir:{tiny}",
        device="cpu",
        accounts="on",
        allowed_hosts=("testserver",),  # as schemathesis calls an application in this process
        rate_per_minute=0,  # the limits have tests of their own
        costly_rate_per_minute=0,
        decode_processes=1,
        upload_silence_seconds=5,
    )
    settings.home.mkdir()
    runtime = open_runtime(settings)
    upgrade(runtime.database)
    backbone = runtime.backbone()
    with runtime.database.write() as session:
        active = ensure_active(session, runtime, backbone)
    app = create_app(runtime)
    serving = app.state.serving = Serving(runtime, active)
    try:
        there = _fill(Shop(runtime, backbone, active), folder)
        tokens = _let_in(app, runtime)
        there |= _ask_for_more(app, tokens["admin"], there)
        yield Site(app, tokens, there)
    finally:
        serving.close()
        runtime.close()


def _fill(shop: Shop, folder: Path) -> Values:
    images: list[str] = []
    for colour in COLOURS:
        fields = {"category": "t-shirt", "price": "10.00", "currency": "EUR"}
        fields["attributes"] = {"colour": colour}  # type: ignore[assignment]
        images += shop.add(f"TEE-{colour}", picture(colour), fields=fields)
        shop.runtime.blobs.put(picture(colour))
    write_model(folder / "model", shop.backbone, "combiner", name="my combiner")
    artefact = shop.runtime.artefacts.keep(folder / "model")
    with shop.runtime.database.write() as session:
        trained = register(session, read_card(folder / "model"), artefact, actor="test").id
    return {
        "image": images,
        "sku": [f"TEE-{colour}" for colour in COLOURS],
        "version": [shop.active.version_id, trained],
        "job": [_training(shop), _finished(shop.runtime)],
    }


def _training(shop: Shop) -> str:
    """A training job with a point of its curves and a line of its log."""
    with shop.runtime.database.write() as session:
        version = begin_training(
            session,
            name="in training",
            recipe="combiner",
            parent=version_row(session, shop.active.version_id),
            parameters={},
            data={},
            actor="ann",
        )
        job = jobs.create(
            session, shop.runtime.queue, kind="train", actor="ann", subject=version.id
        )
        session.flush()
        session.add(TrainingPoint(job_id=job.id, step=1, epoch=0.5, loss=2.0, lr=0.1, seconds=1.0))
        line = TrainingLogLine(job_id=job.id, number=1, text="A line.", created_at=clock.now())
        session.add(line)
        return job.id


def _finished(runtime: Runtime) -> str:
    """An import that failed for one of its two files."""
    with runtime.database.write() as session:
        job = jobs.create(session, runtime.queue, kind="ingest", actor="mia")
        job.state, job.done, job.failed, job.total = "failed", 2, 1, 2
        job.finished_at = clock.now()
        session.flush()
        for position, state in enumerate(("done", "failed")):
            session.add(
                JobItem(job_id=job.id, position=position, name=f"{position}.jpg", state=state)
            )
        return job.id


def _let_in(app: FastAPI, runtime: Runtime) -> dict[Role, str]:
    password_hash = passwords.hashed(PASSWORD)
    with runtime.database.write() as session:
        for name, role in PEOPLE.items():
            service.add(session, name, role, password_hash, "local")
    return {role: log_in(app, name) for name, role in PEOPLE.items() if name != "tom"}


def log_in(app: FastAPI, name: str) -> str:
    """A token of one of PEOPLE."""
    answer = TestClient(app).post("/v1/login", json={"name": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def _ask_for_more(app: FastAPI, token: str, there: Values) -> Values:
    """What is easier asked for than written into tables."""
    http = TestClient(app, headers={"Authorization": f"Bearer {token}"})

    def made(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = http.post(path, json=body)
        assert answer.is_success, answer.text
        told: dict[str, Any] = answer.json()
        return told

    reference, target = there["image"][:2]
    words = {"reference_image_id": reference, "image_id": target, "text": "but green"}
    products = http.get("/v1/products").json()["items"]
    search = made("/v1/search", {"text": "red"})["search_id"]
    collecting = made("/v1/imports", {})["id"]
    claim = {"name": "red.jpg", "sha256": "0" * 64, "size": 3}
    made(f"/v1/imports/{collecting}/files", {"files": [claim]})
    return {
        "product": [one["id"] for one in products],
        "sha256": [one["images"][0]["sha256"] for one in products],
        "triplet": [made("/v1/feedback", words)["id"]],
        "key": [made("/v1/keys", {"label": label})["id"] for label in ("till", "shop window")],
        "search": [search],
        "job": [*there["job"], collecting],
        "cursor": CURSORS,
    }


def _cursor(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


_VALUES: list[list[Any]] = [
    ["x"],
    [1],
    [-1],
    [10**30],
    [None],
    ["x", "y"],
    ["2026-01-01T12:00:00+00:00", 1],
    ["2026-01-01T12:00:00Z", "x"],
    ["\0", "\ud800"],
    [float("nan"), float("inf")],
    [0.5, "x", "y"],
    [{}, []],
    ["newest", "nan", "1", "1"],
    ["title", "\0", "1", "1"],
]
CURSORS = [_cursor(*values) for values in _VALUES]
"""Cursors that no list gave out, or another list: of one to four values of every kind."""
