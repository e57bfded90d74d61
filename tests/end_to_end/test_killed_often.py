"""Thirty kills -9 at random moments of import, embed, delete and shutdown, in both profiles."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

from tests.backend.search.shop import write_tiny_backbone
from tests.end_to_end import server as server_module
from tests.end_to_end import server_profile as profile_module
from tests.end_to_end.killing.installations import Embedded, Installation, Served
from tests.end_to_end.killing.trial import Outcome, run_trial
from tests.end_to_end.server import Server
from tests.end_to_end.server_profile import ServerProfile

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture
def seed() -> int:
    """Drawn anew each time and printed, or given to see the same moments again."""
    return int(os.environ.get("AKIN_TEST_SEED", random.randrange(10**6)))


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start may take longer beside other work; what is tried here is not how fast it is."""
    monkeypatch.setattr(server_module, "START_SECONDS", 400)
    monkeypatch.setattr(profile_module, "START_SECONDS", 400)


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """Small steps, so that a kill finds something half done; a tower that is loaded at once."""
    backbone = write_tiny_backbone(tmp_path / "tiny")
    return {
        "AKIN_BACKBONE": f"local-dir:{backbone}",
        "AKIN_EMBED_BATCH": "4",
        "AKIN_RECONCILE_HOUR": "off",
        "OMP_NUM_THREADS": "1",
    }


def test_the_embedded_profile(tmp_path, settings, seed, monkeypatch, capsys):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    server = Server(tmp_path / "server" / "home")
    server.home.parent.mkdir()
    try:
        server.start()
        assert_nothing_is_lost("embedded", Embedded(server), seed, capsys)
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()


@pytest.mark.services
def test_the_server_profile(tmp_path, settings, seed, capsys):
    with ServerProfile(tmp_path / "profile", workers=2, settings=settings) as profile:
        assert_nothing_is_lost("server", Served(profile), seed, capsys)


def assert_nothing_is_lost(name: str, installation: Installation, seed: int, capsys) -> None:
    outcome = run_trial(installation, seed)
    with capsys.disabled():
        sys.stdout.write(f"\n{name} profile, AKIN_TEST_SEED={seed}\n{outcome.table()}\n")
    assert len(outcome.kills) == 30
    assert sum(kill.at_work != "nothing" for kill in outcome.kills) >= 20
    assert outcome.surprises == []
    assert outcome.failed_jobs == []
    assert outcome.differences == []
    assert outcome.found_after == {}
    assert outcome.repeated >= 0
    assert_told(outcome)


def assert_told(outcome: Outcome) -> None:
    """What reconciliation did not find the other check did not find either."""
    assert bool(outcome.found) == bool(outcome.differences_before)
