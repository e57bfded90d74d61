"""An installation whose catalogue is a small Wardrobe, embedded by a tiny backbone."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backend.catalogue.sources import collect
from backend.jobs.schemas import JobOut
from backend.jobs.service import get, to_schema
from backend.migrating import upgrade
from backend.registry.tables import ModelVersion
from backend.runtime import Runtime, open_runtime
from backend.settings import Settings
from backend.training import service
from backend.training.schemas import TrainRequest
from tests.backend.search.shop import write_tiny_backbone
from tests.workers.training.runs import SMALL, write_wardrobe
from tests.workers.workshop import activate, import_files, run_embeds
from workers.execution import execute
from workers.recipes.offering import offered_recipes
from workers.training import train
from workers.training_triplets import AcceptedTriplet


def settings_of(home: Path, **others: Any) -> Settings:
    return Settings(
        home=home / "home",
        backbone=f"local-dir:{home / 'tiny'}",
        train_threads=1,
        decode_processes=1,
        **others,
    )


def write_installation(place: Path) -> Path:
    """Make it: 72 products of twelve families, all embedded."""
    write_tiny_backbone(place / "tiny")
    wardrobe = write_wardrobe(place / "wardrobe")
    (place / "home").mkdir()
    runtime = open_runtime(settings_of(place))
    upgrade(runtime.database)
    activate(runtime)
    sources = collect([wardrobe / "products.csv"])
    job = import_files(runtime, {one.name: one.path.read_bytes() for one in sources})
    assert (job.state, job.failed) == ("done", 0), job.error
    run_embeds(runtime)
    runtime.close()
    return place


def copied(place: Path, to: Path) -> Path:
    """The same once more, over the same backbone."""
    shutil.copytree(place / "home", to / "home")
    (to / "tiny").symlink_to(place / "tiny")
    shutil.copytree(place / "wardrobe", to / "wardrobe")
    return to


@contextmanager
def opened(home: Path, **settings: Any) -> Iterator[Runtime]:
    runtime = open_runtime(settings_of(home, **settings))
    try:
        yield runtime
    finally:
        runtime.close()


def triplets_of(home: Path) -> list[AcceptedTriplet]:
    """Those of the Wardrobe, whose names are SKUs."""
    return [
        AcceptedTriplet(row["candidate"], row["target"], tuple(row["captions"]), split)
        for split in ("train", "val", "test")
        for row in json.loads((home / f"wardrobe/captions/cap.wardrobe.{split}.json").read_text())
    ]


def ask(runtime: Runtime, **request: Any) -> str:
    """A training job as the API makes it; its id."""
    given = {"recipe": "combiner", "parameters": SMALL, "data": {"kind": "triplets"}} | request
    wanted = TrainRequest.model_validate(given)
    options = service.checked(wanted, offered_recipes()[wanted.recipe], runtime.settings)
    with runtime.database.write() as session:
        return service.start(session, runtime.queue, wanted, options, "ann").id


def work_on(runtime: Runtime, job_id: str, shutdown: threading.Event | None = None) -> JobOut:
    """What a worker does with the job's message; the job as it is then."""
    execute(runtime, "train", train, job_id, shutdown or threading.Event())
    return job_of(runtime, job_id)


def job_of(runtime: Runtime, job_id: str) -> JobOut:
    with runtime.database.read() as session:
        return to_schema(get(session, job_id))


def version_of(runtime: Runtime, job_id: str) -> ModelVersion:
    """The version that the job trains."""
    with runtime.database.read() as session:
        return session.get_one(ModelVersion, get(session, job_id).subject)


def weights(runtime: Runtime, version: ModelVersion) -> bytes:
    """The trained network of a version, as it is kept."""
    assert version.artefact is not None
    return (runtime.artefacts.folder(version.artefact) / "composer.safetensors").read_bytes()
