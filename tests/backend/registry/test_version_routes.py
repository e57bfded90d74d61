"""Model versions over HTTP and from the command line: in, out, renamed, promoted, rolled back."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy import select
from typer.testing import CliRunner

from backend.cli import app as cli
from backend.client import AkinClient, ApiError
from backend.commands import versions
from backend.composition.artefact import BackboneCard, read_card
from backend.database import Database
from backend.encoding.backbone import Backbone
from backend.paging import Page
from backend.registry.artefacts import pack
from backend.registry.deployments import Active
from backend.registry.schemas import (
    DeploymentOut,
    PromoteRequest,
    PromotionOut,
    RollbackRequest,
    VersionChange,
    VersionOut,
)
from backend.registry.tables import ModelVersion
from backend.runtime import Runtime
from backend.search.schemas import SearchRequest
from backend.search.serving import Serving
from tests.backend.composition.trained_models import write_model
from tests.backend.registry.stock import add_picture, add_version, figures, start


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """Over HTTP one database is enough."""
    return sqlite_database


@pytest.fixture
def now(runtime: Runtime, tiny: Backbone) -> Active:
    return start(runtime, tiny)


@pytest.fixture
def http(runtime: Runtime, now: Active) -> Iterator[TestClient]:
    from backend.app import create_app

    app: FastAPI = create_app(runtime)
    app.state.serving = Serving(runtime, now)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client
    app.state.serving.close()


@pytest.fixture
def client(http: TestClient) -> AkinClient:
    return AkinClient("http://127.0.0.1", http=cast(httpx.Client, http))


@pytest.fixture
def folder(tiny: Backbone, tmp_path: Path) -> Path:
    return write_model(tmp_path / "combiner", tiny, "combiner")


def packed(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with path.open("wb") as file:
        pack(folder, file)
    return path


def test_a_model_comes_in_answers_and_goes_out_again(client, folder, tmp_path, now):
    version = client.import_model(packed(folder), "mine")
    assert (version.name, version.state, version.composer) == ("mine", "ready", "combiner")
    assert (version.actor, version.gallery) == ("local", now.gallery_id)
    out = b"".join(client.export_model(version.id))
    assert out == packed(folder).read_bytes()
    done = client.promote(version.id, PromoteRequest(reason="to see", override=True))
    assert (done.state, done.version, done.reason) == ("deployed", "mine", "to see")
    model = client.model()
    assert (model.version, model.composer) == ("mine", "combiner")
    assert model.composers[0].label == "Learned combination, of mine"
    assert client.search(SearchRequest(text="red")).version == "mine"
    way_back = client.way_back()
    assert way_back is not None
    assert way_back.version == now.version
    back = client.rollback(RollbackRequest(reason="seen"))
    assert client.way_back() is None
    assert (back.state, back.version) == ("deployed", now.version)
    assert client.model().version == now.version
    client.delete_version(version.id)
    with pytest.raises(ApiError, match="There is no model version"):
        client.export_model(version.id).__next__()
    assert [one.version for one in client.deployments().items] == [now.version, "mine", now.version]


def test_the_same_towers_under_another_name_are_found(client, tiny, tmp_path):
    """A model that was trained elsewhere names its backbone by a path of that machine."""
    folder = write_model(tmp_path / "model", tiny, "combiner")
    elsewhere = BackboneCard(name="local-dir:/somewhere/else")
    card = read_card(folder).model_copy(update={"backbone": elsewhere})
    (folder / "model.json").write_text(card.model_dump_json())
    version = client.import_model(packed(folder))
    assert version.backbone == "tiny"


def test_a_backbone_that_is_not_here_is_not_looked_for(client, other, tmp_path):
    folder = write_model(tmp_path / "model", other, "combiner")
    with pytest.raises(ApiError) as refused:
        client.import_model(packed(folder))
    assert refused.value.sentence == (
        f"The model my-combiner was trained on the backbone {other.spec.name}, which no version "
        "here has: start Akin once with AKIN_BACKBONE and AKIN_PRETRAINED set to it, then import "
        "again."
    )


def test_a_card_that_lies_about_its_towers_is_refused(client, tiny, tmp_path):
    folder = write_model(tmp_path / "model", tiny, "combiner", text_fingerprint="0" * 64)
    with pytest.raises(ApiError, match="was trained on a backbone with another text tower"):
        client.import_model(packed(folder))


def test_weights_of_another_size_are_refused(client, tiny, folder):
    card = read_card(folder)
    (folder / "model.json").write_text(card.model_copy(update={"dim": 17}).model_dump_json())
    with pytest.raises(ApiError, match="whose features have 17 numbers, not 16"):
        client.import_model(packed(folder))


def test_what_is_no_model_is_told(client, http, tmp_path):
    path = tmp_path / "model.zip"
    path.write_bytes(b"no zip at all")
    with pytest.raises(ApiError, match=r"This is no packed model .*: send what `akin models ex"):
        client.import_model(path)
    answer = http.put("/v1/models/import", params={"name": "a\nb"}, content=b"")
    assert answer.status_code == 422


def test_a_model_larger_than_an_upload_may_be_is_stopped(client, runtime, folder):
    runtime.settings.max_upload_bytes = 100
    with pytest.raises(ApiError) as refused:
        client.import_model(packed(folder))
    assert refused.value.sentence == (
        "The model has more than the 100 bytes allowed: raise AKIN_MAX_UPLOAD_BYTES."
    )


def test_a_backbone_as_it_is_has_nothing_to_export(client, now):
    with pytest.raises(ApiError) as refused:
        next(client.export_model(now.version_id))
    assert refused.value.sentence == (
        f"{now.version} is a backbone as it is, with nothing trained to export: name its backbone "
        "in AKIN_BACKBONE where you want it."
    )


def test_a_version_is_renamed_and_put_away(client, folder):
    version = client.import_model(packed(folder))
    assert client.change_version(version.id, VersionChange(name="better")).name == "better"
    assert client.change_version(version.id, VersionChange(archived=True)).state == "archived"
    assert client.find_version("better").state == "archived"
    with pytest.raises(ApiError, match="better is archived: only a version that is ready can be"):
        client.promote(version.id, PromoteRequest())
    assert client.change_version(version.id, VersionChange(archived=False)).state == "ready"


def test_a_new_image_tower_is_answered_with_what_it_waits_for(client, runtime, now):
    add_picture(runtime, "A", now.gallery_id)
    with runtime.database.write() as session:
        facts = figures(now, 90.0, 80.0)
        add_version(session, now, "seeing", fingerprint="9" * 64, figures=facts)
    assert client.promotion() is None
    done = client.promote("id of seeing", PromoteRequest())
    assert (done.state, done.held, done.images) == ("waiting", 0, 1)
    assert client.promotion() == done
    assert client.model().version == now.version
    assert client.withdraw_promotion().state == "withdrawn"
    with pytest.raises(ApiError, match="No promotion is waiting: nothing was changed"):
        client.withdraw_promotion()


def test_weights_that_are_gone_leave_what_answers(client, runtime, folder, now):
    version = client.import_model(packed(folder))
    with runtime.database.read() as session:
        artefact = session.scalar(
            select(ModelVersion.artefact).where(ModelVersion.id == version.id)
        )
    runtime.artefacts.discard(artefact)
    with pytest.raises(ApiError, match=f"The stored model {artefact} is gone: import it again"):
        client.promote(version.id, PromoteRequest(reason="to see", override=True))
    assert client.model().version == now.version
    assert len(client.deployments().items) == 1


DOCUMENTED: dict[tuple[str, str], type[BaseModel]] = {
    ("/v1/models/{version_id}/promote", "post"): PromotionOut,
    ("/v1/models/rollback", "post"): PromotionOut,
    ("/v1/deployments", "get"): Page[DeploymentOut],
    ("/v1/deployments/way-back", "get"): DeploymentOut,
    ("/v1/promotion", "get"): PromotionOut,
    ("/v1/promotion", "delete"): PromotionOut,
    ("/v1/models/{version_id}", "patch"): VersionOut,
}


def test_the_documented_answers_are_such(http):
    paths = http.get("/openapi.json").json()["paths"]
    for (path, method), schema in DOCUMENTED.items():
        answer = paths[path][method]["responses"]["200"]["content"]["application/json"]
        schema.model_validate(answer["example"])


# The command line


@pytest.fixture
def akin(client, monkeypatch):
    """Runs a command against the app; its output."""
    monkeypatch.setattr(versions, "connect", lambda url: client)
    monkeypatch.setattr(client, "close", lambda: None)

    def run(*words: str) -> str:
        found = CliRunner().invoke(cli, ["models", *words], catch_exceptions=False)
        assert found.exit_code == 0, found.output
        return found.output

    return run


def test_the_commands_of_a_versions_life(akin, folder, tmp_path, now):
    assert akin("add", str(folder), "--name", "mine") == "mine is a version now.\n"
    assert akin("export", "mine", "--out", str(tmp_path / "out")).startswith("mine is in ")
    assert read_card(tmp_path / "out") == read_card(folder)
    told = akin("promote", "mine", "--override", "--reason", "to see", "--json")
    told = json.loads(told[told.index("{\n") :])  # the log of the server is in the same process
    assert (told["state"], told["version"]) == ("deployed", "mine")
    assert akin("rollback").endswith(f"{now.version} answers searches now.\n")
    assert akin("archive", "mine") == "mine is archived.\n"
    assert akin("restore", "mine") == "mine is ready.\n"
    assert akin("rename", "mine", "better") == "better is its name now.\n"
    assert akin("delete", "better") == "better is deleted.\n"


def test_a_name_that_nobody_has_is_told(akin, monkeypatch):
    with pytest.raises(Exception, match="No model version is called nothing: list them with"):
        akin("promote", "nothing")


def test_an_export_replaces_nothing(akin, folder, tmp_path):
    akin("add", str(folder), "--name", "mine")
    with pytest.raises(Exception, match="is there already: name a new folder"):
        akin("export", "mine", "--out", str(folder))


def test_a_folder_that_is_not_there_is_told(akin, tmp_path):
    with pytest.raises(Exception, match=r"There is no .*: name a model's folder, or its zip"):
        akin("add", str(tmp_path / "nothing"))


def test_the_same_bytes_are_packed_on_every_machine(folder):
    """So that one model is one blob."""
    first, again = io.BytesIO(), io.BytesIO()
    for target in (first, again):
        pack(folder, target)
    assert first.getvalue() == again.getvalue()
