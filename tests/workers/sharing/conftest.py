"""Workers that share jobs, in parts small enough for a test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.database import Database
from backend.runtime import Runtime
from tests.decoders import share_decoder
from tests.workers.sharing.stage import PART, Stage
from workers import embedding, import_batches, ingesting, leading


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four items a part and two a batch, and nobody waits long."""
    monkeypatch.setattr(ingesting, "PART_ITEMS", PART)
    monkeypatch.setattr(embedding, "PART_BATCHES", 2)
    monkeypatch.setattr(import_batches, "BATCH_ITEMS", 2)
    monkeypatch.setattr(ingesting, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(leading, "WAIT_SECONDS", 0.01)


@pytest.fixture
def runtime(runtime: Runtime, database: Database) -> Runtime:
    """Of one of several workers, as far as it knows. Over SQLite and over PostgreSQL."""
    runtime.queue.in_process = False
    shared = replace(runtime, database=database)
    share_decoder(shared)
    return shared


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)
