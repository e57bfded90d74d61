"""`akin doctor` looks at every part itself, and says what is wrong with which."""

from __future__ import annotations

import pytest

from backend.data_folder import hold
from backend.diagnosis import examine
from backend.settings import Settings
from tests.end_to_end.server import free_port


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "home").mkdir()
    return Settings(home=tmp_path / "home", port=free_port())


def findings(settings):
    return {finding.part: finding for finding in examine(settings)}


def test_a_new_data_folder_is_in_order(settings):
    found = findings(settings)
    assert [part for part, finding in found.items() if not finding.good] == []
    assert "none running" in found["server"].sentence
    assert "brought up to date at the next start" in found["data"].sentence


def test_a_folder_that_a_server_holds_is_as_it_should_be(settings):
    with hold(settings.home):
        found = findings(settings)["data"]
    assert found.good
    assert "in use by process" in found.sentence


def test_a_broken_database_is_named(settings):
    (settings.home / "akin.sqlite3").write_text("not a database" * 100)
    found = findings(settings)["data"]
    assert not found.good
    assert "cannot be reached" in found.sentence


def test_an_unknown_backbone_is_named(settings):
    found = findings(settings.model_copy(update={"backbone": "ViT-B-33"}))["backbone"]
    assert not found.good
    assert "ViT-B-32" in found.sentence


def test_settings_that_cannot_work_are_named(settings):
    found = findings(settings.model_copy(update={"broker_url": "redis://127.0.0.1:1/0"}))
    assert "one process only" in found["settings"].sentence
    assert not found["data"].good
