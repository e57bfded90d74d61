"""One import in the server profile by workers: how fast it is stored, and embedded, when one and
when two of them work on it."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backend.client import AkinClient
from backend.jobs.schemas import JobOut
from benchmarks.catalogue import drawn
from benchmarks.tables import Table, write
from tests.end_to_end.server_profile import ServerProfile

WORKERS = (1, 2)
PRODUCTS = 1_200
COLUMNS = (
    "workers", "pictures", "stored s", "stored 1/s", "searchable s", "searchable 1/s",
    "parts done by others than the lead",
)  # fmt: skip
CAPTION = (
    "One catalogue, imported into an empty installation of so many workers (each with two threads, "
    "for imports and for embedding). *stored*: the import job alone; *searchable*: from its start "
    "until every picture has its point. PostgreSQL, Redis, the API and the stand-in for Qdrant "
    "share the cores with the workers, so with two cores a second worker has little left to take: "
    "the table says what sharing costs, and what it gains where one worker waits."
)


@dataclass(frozen=True)
class Outcome:
    """Seconds from the start of the import, and parts of both jobs that others took."""

    stored: float
    searchable: float
    taken: int


def main(products: int | None = None) -> None:
    """Measure, and write benchmarks/results/sharing.md."""
    count = products or PRODUCTS
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = drawn(Path(place), count)
        for workers in WORKERS:
            with ServerProfile(Path(place) / f"by-{workers}", workers=workers) as profile:
                one = _measured(profile, folder, count)
            rates = (one.stored, count / one.stored, one.searchable, count / one.searchable)
            rows.append((workers, count, *rates, one.taken))
    write("sharing", f"One import of {count:,} pictures by workers", Table(COLUMNS, rows, CAPTION))


def _measured(profile: ServerProfile, folder: Path, count: int) -> Outcome:
    with profile.client() as client:
        done = profile.akin("ingest", str(folder / "products.csv"))
        if done.returncode:
            raise RuntimeError(done.stderr)
        profile.wait_until(lambda: client.summary().embedded == count, 300)
        while not all(job.finished for job in client.jobs(limit=100).items):
            time.sleep(0.1)
        imports, embeds = _jobs(client, "ingest"), _jobs(client, "embed")
    begun = min(_moment(job.started_at) for job in imports)
    stored = max(_moment(job.finished_at) for job in imports) - begun
    searchable = max(_moment(job.finished_at) for job in embeds) - begun
    taken = sum(_parts(profile.log(name)) for name in profile.worker_names)
    return Outcome(stored, searchable, taken)


def _jobs(client: AkinClient, kind: str) -> list[JobOut]:
    return [job for job in client.jobs(limit=100).items if job.kind == kind]


def _moment(moment: datetime | None) -> float:
    assert moment is not None
    return moment.timestamp()


def _parts(log: str) -> int:
    """How many parts of jobs that others led a worker has done, by its log of JSON lines."""
    lines = (json.loads(line) for line in log.splitlines() if line.startswith("{"))
    return sum(line["event"] == "part done" for line in lines)
