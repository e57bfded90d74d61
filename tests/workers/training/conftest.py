"""An installation to train in, made once and copied for each test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from backend.runtime import Runtime
from tests import warm
from tests.workers.training.installations import copied, opened, triplets_of, write_installation
from workers import training_process
from workers.training_triplets import AcceptedTriplet


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_installation(tmp_path_factory.mktemp("installation"))


@pytest.fixture
def warm_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children that begin with torch imported; some of `test_child.py` start cold."""
    from_the_launcher = SimpleNamespace(Popen=warm.piped, PIPE=subprocess.PIPE)
    monkeypatch.setattr(training_process, "subprocess", from_the_launcher)


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    return copied(template, tmp_path / "copy")


@pytest.fixture
def accepted(template: Path, monkeypatch: pytest.MonkeyPatch) -> list[AcceptedTriplet]:
    """The Wardrobe's triplets as the reviewed ones of the catalogue; a test may change them."""
    found = triplets_of(template)

    def read(_session: object, sources: object) -> list[AcceptedTriplet]:
        return found

    monkeypatch.setattr("workers.training_data.accepted_triplets", read)
    return found


@pytest.fixture
def shop(home: Path, accepted: list[AcceptedTriplet], warm_children: None) -> Iterator[Runtime]:
    with opened(home, datasets=home) as runtime:
        yield runtime
