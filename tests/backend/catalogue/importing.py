"""The steps of an import in a test: opened, claimed, received, started."""

from __future__ import annotations

from backend.catalogue import imports
from backend.catalogue.schemas import FileClaim, ImportCreate
from backend.database import Database
from backend.jobs.broker import Queue
from tests.backend.catalogue.stock import sha

MOST = 1000


def claim(name: str, number: int, size: int = 10) -> FileClaim:
    return FileClaim(name=name, sha256=sha(number), size=size)


def opened(database: Database, queue: Queue, **request) -> str:
    with database.write() as session:
        return imports.open_import(session, queue, ImportCreate(**request), "ann").id


def claimed(database: Database, job_id: str, *claims: FileClaim) -> list[str]:
    with database.write() as session:
        return imports.claim_files(session, job_id, claims, MOST)


def received(database: Database, job_id: str, *numbers: int) -> None:
    with database.write() as session:
        imports.mark_received(session, job_id, [sha(number) for number in numbers])


def start(database: Database, queue: Queue, job_id: str) -> None:
    with database.write() as session:
        imports.start(session, queue, job_id)
