"""Model versions in training: ready or failed in the end, and trained on."""

from __future__ import annotations

import pytest

from backend.composition.card import read_card
from backend.errors import Conflict
from backend.registry.deployments import Active
from backend.registry.in_training import fail_training, finish_training, resume_training
from backend.registry.tables import ModelVersion
from backend.runtime import Runtime
from tests.backend.composition.trained_models import write_model
from tests.backend.registry.stock import begin, start

SHA = "c" * 64


@pytest.fixture
def now(runtime: Runtime, tiny) -> Active:
    return start(runtime, tiny)


def test_a_version_is_trained_and_ready(runtime, now, tiny, tmp_path):
    card = read_card(write_model(tmp_path / "model", tiny, "combiner"))
    with runtime.database.write() as session:
        version = begin(session, now)
        assert (version.state, version.parent_id, version.actor) == (
            "training",
            now.version_id,
            "ann",
        )
        finish_training(session, version.id, card, SHA, {"R@10": 1})
        version_id = version.id
    with runtime.database.read() as session:
        ready = session.get_one(ModelVersion, version_id)
        assert (ready.state, ready.composer, ready.artefact) == ("ready", "combiner", SHA)
        assert ready.card["name"] == card.name
        assert ready.figures == {"R@10": 1}


def test_one_that_failed_is_trained_on(runtime, now):
    with runtime.database.write() as session:
        version = begin(session, now)
        fail_training(session, version.id, "The loss became nan.")
        assert (version.state, version.error) == ("failed", "The loss became nan.")
        resume_training(session, version.id)
        assert (version.state, version.error) == ("training", None)
        with pytest.raises(Conflict, match="mine is training: only a failed one is trained on"):
            resume_training(session, version.id)


def test_what_is_not_in_training_neither_ends_nor_fails(runtime, now):
    told = f"{now.version} is ready, not in training: nothing was changed."
    with runtime.database.write() as session, pytest.raises(Conflict) as refused:
        fail_training(session, now.version_id, "no")
    assert refused.value.sentence == told


def test_trainings_without_a_name_get_one_each(runtime, now, clock):
    with runtime.database.write() as session:
        names = [begin(session, now, None).name for _ in range(3)]
    assert names == ["combiner 2026-01-01", "combiner 2026-01-01 2", "combiner 2026-01-01 3"]
