"""Training over HTTP: the recipes, a new job, its curves and its log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from backend.accounts.actor import Actor, current_actor
from backend.client import AkinClient, ApiError
from backend.database import Database
from backend.registry.tables import ModelVersion
from backend.runtime import Runtime
from backend.training.curves import add_log, add_points
from backend.training.routes import router
from backend.training.schemas import (
    CurvesOut,
    FolderData,
    LogOut,
    PointOut,
    RecipeOut,
    TrainRequest,
    TripletData,
)
from tests.api import api_of, client_of
from workers.recipes.offering import offered_recipes

TRIPLETS = TripletData()


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """Over HTTP one database is enough."""
    return sqlite_database


@pytest.fixture
def app(runtime: Runtime) -> FastAPI:
    return api_of(runtime, router, recipes=offered_recipes)


@pytest.fixture
def client(app: FastAPI) -> AkinClient:
    return client_of(app)


def request(**given: Any) -> TrainRequest:
    return TrainRequest(**({"recipe": "combiner", "data": TRIPLETS} | given))


def refusal(client: AkinClient, **given: Any) -> str:
    with pytest.raises(ApiError) as refused:
        client.train(request(**given))
    return refused.value.sentence


def test_a_form_can_be_made_of_a_recipe(client: AkinClient) -> None:
    recipes = {one.name: one for one in client.recipes()}
    assert set(recipes) == {"clip-finetune", "combiner", "spn-bank", "pic2word", "lincir"}
    combiner = recipes["combiner"]
    batch = combiner.parameters["properties"]["batch"]
    assert (batch["type"], batch["minimum"], batch["default"]) == ("integer", 2, 4096)
    assert combiner.presets["small-data"]["epochs"] == 60
    assert {name: one.takes for name, one in recipes.items()} == {
        "clip-finetune": "triplets", "combiner": "triplets", "spn-bank": "triplets",
        "pic2word": "images", "lincir": "titles",
    }  # fmt: skip
    assert "choose" not in recipes["lincir"].parameters["properties"]


def test_a_job_and_its_version_begin_together(client: AkinClient, runtime: Runtime) -> None:
    job = client.train(
        request(preset="small-data", parameters={"epochs": "7", "patience": None}, name="November")
    )
    assert (job.kind, job.state) == ("train", "queued")
    assert job.parameters["parameters"]["epochs"] == 7
    assert job.parameters["parameters"]["patience"] is None
    assert job.parameters["parameters"]["batch"] == 512
    with runtime.database.read() as session:
        (version,) = session.query(ModelVersion).filter_by(name="November")
        assert (version.state, version.recipe) == ("training", "combiner")
        assert version.parent_id == job.parameters["parent"]


def test_what_does_not_fit_is_refused(client: AkinClient, runtime: Runtime) -> None:
    assert refusal(client, recipe="magic").startswith(
        'There is no recipe "magic": choose one of clip-finetune, combiner,'
    )
    assert (
        refusal(client, preset="huge")
        == 'There is no preset "huge": choose one of small-data, few-triplets.'
    )
    assert refusal(client, parameters={"depth": 3}).startswith("There is no option depth: choose")
    assert refusal(client, parameters={"batch": 1}).startswith("The option batch is refused:")
    assert refusal(client, recipe="lincir") == (
        "The recipe lincir trains on titles, not on triplets: choose those, or a dataset folder."
    )
    assert refusal(
        client, recipe="lincir", data={"kind": "titles"}, parameters={"choose": "/etc"}
    ).startswith("The option choose names a place on the machine that trains")
    assert refusal(client, parent="nobody").startswith("There is no model version nobody")
    with runtime.database.read() as session:
        assert session.query(ModelVersion).filter_by(state="training").count() == 0


def test_a_parent_must_be_ready_and_a_name_free(client: AkinClient) -> None:
    client.train(request(name="November"))
    assert refusal(client, parent="November") == (
        "November is training: start from a version that is ready."
    )
    assert "called November already" in refusal(client, name="November")


def test_a_folder_must_lie_below_the_setting(client: AkinClient, runtime: Runtime) -> None:
    root = Path(runtime.settings.datasets or "")
    (root / "shop").mkdir(parents=True)
    assert client.train(request(data=FolderData(path="shop"))).state == "queued"
    assert "is not below AKIN_DATASETS" in refusal(client, data=FolderData(path="../"))


@pytest.mark.parametrize(
    "body",
    [
        {"recipe": "combiner"},
        {"recipe": "combiner", "data": {"kind": "everything"}},
        {"recipe": "combiner", "data": {"kind": "triplets", "splits": ["test"]}},
        {"recipe": "combiner", "data": {"kind": "triplets", "sources": ["hearsay"]}},
        {"recipe": "combiner", "data": {"kind": "triplets"}, "wish": 1},
        {"recipe": "combiner", "data": {"kind": "triplets"}, "parameters": {"a": [1]}},
        {"recipe": "combiner", "data": {"kind": "folder", "path": "x" * 2_000}},
        {"recipe": "combiner", "data": {"kind": "triplets"}, "name": "a\nb"},
        {"recipe": "combiner", "data": {"kind": "triplets"}, "device": "tpu"},
    ],
)
def test_a_body_that_does_not_fit_is_told_where(app: FastAPI, body: dict[str, Any]) -> None:
    answer = TestClient(app).post("/v1/train", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("The request does not fit: ")


def test_a_training_names_the_version_that_it_makes(client: AkinClient, runtime: Runtime) -> None:
    job = client.train(request())
    with runtime.database.read() as session:
        (version,) = session.query(ModelVersion).filter_by(state="training")
        assert job.subject == version.id


def test_curves_and_log_are_read_while_it_runs(client: AkinClient, runtime: Runtime) -> None:
    job = client.train(request())
    assert client.curves(job.id) == CurvesOut(points=[], last_step=0)
    point = PointOut(step=3, epoch=0.3, loss=2.5, lr=0.1, seconds=1.5, figures={"R@10": 50.0})
    with runtime.database.write() as session:
        add_points(session, job.id, [point])
        add_log(session, job.id, ["2 of 9 texts are cut."])
    assert client.curves(job.id) == CurvesOut(points=[point], last_step=3)
    assert client.curves(job.id, after=3).points == []
    assert [one.text for one in client.training_log(job.id).lines] == ["2 of 9 texts are cut."]


@pytest.mark.parametrize("path", ["curves", "log"])
def test_those_of_no_job_are_not_there(app: FastAPI, path: str) -> None:
    assert TestClient(app).get(f"/v1/jobs/nobody/{path}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("POST", "/v1/train", "manager"),
        ("GET", "/v1/recipes", "manager"),
        ("GET", "/v1/jobs/x/curves", "shopper"),
        ("GET", "/v1/jobs/x/log", "shopper"),
    ],
)
def test_roles(app: FastAPI, method: str, path: str, role: Any) -> None:
    app.dependency_overrides[current_actor] = lambda: Actor("ann", role)
    assert TestClient(app).request(method, path, json={}).status_code == 403


@pytest.mark.parametrize(
    ("path", "method", "status", "model"),
    [
        ("/v1/train", "post", "202", None),
        ("/v1/recipes", "get", "200", RecipeOut),
        ("/v1/jobs/{job_id}/curves", "get", "200", CurvesOut),
        ("/v1/jobs/{job_id}/log", "get", "200", LogOut),
    ],
)
def test_the_documented_examples_are_answers(
    app: FastAPI, path: str, method: str, status: str, model: Any
) -> None:
    operation = app.openapi()["paths"][path][method]
    example = operation["responses"][status]["content"]["application/json"]["example"]
    assert operation["summary"]
    assert operation["description"]
    if model is not None:
        for one in example if isinstance(example, list) else [example]:
            model.model_validate(one)
