"""How model versions come, change their state and go."""

from __future__ import annotations

import pytest

from backend.composition.card import read_card
from backend.errors import Conflict, InvalidInput, NotFound
from backend.registry import lifecycle
from backend.registry.deployments import Active, deploy
from backend.registry.tables import ModelVersion, Promotion
from backend.runtime import Runtime
from tests.backend.composition.trained_models import write_model
from tests.backend.registry.stock import add_version, begin, start

SHA = "c" * 64


@pytest.fixture
def now(runtime: Runtime, tiny) -> Active:
    return start(runtime, tiny)


def test_a_name_is_taken_once(runtime, now):
    with runtime.database.write() as session:
        begin(session, now)
        with pytest.raises(Conflict, match="There is a model version called mine already: choose"):
            begin(session, now)
        other = begin(session, now, "other")
        with pytest.raises(Conflict, match="There is a model version called mine already: choose"):
            lifecycle.rename(session, other.id, "mine", actor="ann")
        assert lifecycle.rename(session, other.id, " better ", actor="ann").name == "better"
        assert lifecycle.rename(session, other.id, "better", actor="ann").name == "better"
        with pytest.raises(InvalidInput, match="A model version needs a name: give at least"):
            lifecycle.rename(session, other.id, "  ", actor="ann")


def test_a_model_from_elsewhere_is_ready(runtime, now, tiny, tmp_path):
    folder = write_model(tmp_path / "model", tiny, "phi", parent=now.version)
    with runtime.database.write() as session:
        first = lifecycle.register(session, read_card(folder), SHA, actor="ann")
        again = lifecycle.register(session, read_card(folder), SHA, actor="ann")
        assert (first.name, first.state, first.parent_id) == ("my-phi", "ready", now.version_id)
        assert again.name == "my-phi 2"


def test_what_is_archived_comes_back(runtime, now):
    with runtime.database.write() as session:
        version = add_version(session, now, "mine")
        assert lifecycle.archive(session, version.id, actor="ann").state == "archived"
        with pytest.raises(Conflict, match="mine is archived, not ready: nothing was changed"):
            lifecycle.archive(session, version.id, actor="ann")
        assert lifecycle.archive(session, version.id, archived=False, actor="ann").state == "ready"


@pytest.mark.parametrize("what", ["archived", "deleted"])
def test_what_answers_stays(runtime, now, what):
    change = lifecycle.archive if what == "archived" else lifecycle.delete
    told = f"{now.version} answers searches today and cannot be {what}: promote another first."
    with runtime.database.write() as session, pytest.raises(Conflict) as refused:
        change(session, now.version_id, actor="ann")
    assert refused.value.sentence == told


def test_what_is_being_promoted_stays(runtime, now, clock):
    with runtime.database.write() as session:
        version = add_version(session, now, "mine")
        session.add(
            Promotion(
                id="p",
                version_id=version.id,
                gallery_id=now.gallery_id,
                state="waiting",
                reason="",
                actor="ann",
                created_at=clock.now(),
            )
        )
        session.flush()
        with pytest.raises(Conflict, match="mine is being promoted and cannot be deleted: with"):
            lifecycle.delete(session, version.id, actor="ann")


def test_a_version_in_training_is_cancelled_first(runtime, now):
    with runtime.database.write() as session:
        version = begin(session, now)
        with pytest.raises(Conflict, match="mine is being trained: cancel its job first"):
            lifecycle.delete(session, version.id, actor="ann")


def test_a_version_that_another_was_trained_from_stays(runtime, now):
    with runtime.database.write() as session:
        parent = add_version(session, now, "parent")
        child = add_version(session, now, "child", parent_id=parent.id)
        with pytest.raises(Conflict, match="parent cannot be deleted, because child was trained"):
            lifecycle.delete(session, parent.id, actor="ann")
        lifecycle.delete(session, child.id, actor="ann")
        lifecycle.delete(session, parent.id, actor="ann")


def test_the_last_version_of_a_gallerys_tower_stays(runtime, now):
    with runtime.database.write() as session:
        mine = add_version(session, now, "mine")
        first = session.get_one(ModelVersion, now.version_id)
        other = add_version(session, now, "other", fingerprint="0" * 64)
        deploy(session, other, now.gallery_id, actor="test", reason="")
        lifecycle.delete(session, mine.id, actor="ann")
        with pytest.raises(Conflict, match=r"because the gallery g-\w+ is of its image t"):
            lifecycle.delete(session, first.id, actor="ann")


def test_an_artefact_goes_with_its_last_version(runtime, now):
    with runtime.database.write() as session:
        one = add_version(session, now, "one", artefact=SHA)
        two = add_version(session, now, "two", artefact=SHA)
        plain = add_version(session, now, "plain")
        assert lifecycle.delete(session, one.id, actor="ann") is None
        assert lifecycle.delete(session, two.id, actor="ann") == SHA
        assert lifecycle.delete(session, plain.id, actor="ann") is None


def test_one_that_is_not_there_is_told(runtime, now):
    with runtime.database.write() as session, pytest.raises(NotFound) as refused:
        lifecycle.delete(session, "nothing", actor="ann")
    assert refused.value.sentence == (
        "There is no model version nothing: list them with `akin models list`."
    )
