"""A small shop whose parts can be put out of line, for real."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from backend.accounts.actor import LOCAL_ADMIN
from backend.blobs import Area
from backend.catalogue import import_routes, imports
from backend.catalogue.schemas import FileClaim, FileClaims, ImportCreate
from backend.catalogue.service import ensure_embedded
from backend.catalogue.tables import Blob, Image, Product
from backend.gallery.port import Gallery, Point
from backend.jobs.reconciling import ensure_reconcile
from backend.jobs.schemas import ReconcileRequest
from backend.jobs.tables import Job
from backend.registry.tables import Embedding
from backend.runtime import Runtime
from tests.workers import workshop
from workers.execution import execute
from workers.reconciliation.ledger import Ledger
from workers.reconciliation.reconcile import reconcile
from workers.reconciliation.rounds import Directly
from workers.reconciling import reconcile_all

QUIET = {"images", "points", "blobs"}
LOST = (
    "The stored bytes of the image of 3 are gone: import the same picture again, or delete the "
    "image."
)
"""What is told of a picture without bytes."""


@dataclass
class DamagedShop:
    """A runtime with an active gallery; `damage` methods say by their names what they do."""

    runtime: Runtime
    gallery_id: str = ""
    steps: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gallery_id = workshop.activate(self.runtime).gallery_id

    @property
    def gallery(self) -> Gallery:
        return self.runtime.galleries.open(self.gallery_id)

    def fill(self, count: int) -> None:
        """Products named 0, 1, 2 …, with one picture each, embedded."""
        workshop.import_files(self.runtime, workshop.photos(count))
        workshop.run_embeds(self.runtime)

    def send(self, name: str, data: bytes) -> Job:
        """Import a file as the API does it: only what it asks for is sent."""
        claim = FileClaim(name=name, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
        job = import_routes.open_import(ImportCreate(), LOCAL_ADMIN, self.runtime)
        wanted = import_routes.claim_files(job.id, FileClaims(files=[claim]), self.runtime).missing
        for sha256 in wanted:
            self.runtime.blobs.stage(sha256, [data], len(data))
            self._write(partial(imports.mark_received, job_id=job.id, sha256s=[sha256]))
        import_routes.start_import(job.id, LOCAL_ADMIN, self.runtime)
        return workshop.run_ingest(self.runtime, job.id)

    def round(self, *, mend: bool, deep: bool = False, alone: bool = True) -> Ledger:
        """What `akin doctor` does where no server runs."""
        work = Directly(self.runtime, lambda stage, *_: self.steps.append(stage))
        return reconcile(self.runtime, work, mend=mend, deep=deep, alone=alone)

    def found(
        self, *, mend: bool = False, deep: bool = False, alone: bool = True
    ) -> dict[str, int]:
        """What a round found, by kind; the counts of what it compared left out."""
        result = self.round(mend=mend, deep=deep, alone=alone).result()
        return {kind: count for kind, count in result.items() if kind not in QUIET and count}

    def job(self, **request: bool) -> Job:
        """The same as a job of a worker."""
        with self.runtime.database.write() as session:
            asked = ReconcileRequest(**request)
            job_id = ensure_reconcile(session, self.runtime.queue, asked, "ann").id
        execute(self.runtime, "reconcile", reconcile_all, job_id, threading.Event())
        return workshop.job_of(self.runtime, job_id)

    def embed(self) -> None:
        """Let the embed jobs run that a round has asked for."""
        assert all(job.state == "done" for job in workshop.run_embeds(self.runtime))

    def ids(self) -> list[str]:
        """Of all images, sorted."""
        return workshop.ids(self.runtime)

    def image(self, sku: str) -> str:
        """The id of a product's image."""
        return workshop.products(self.runtime)[sku].images[0].id

    def sha256(self, sku: str) -> str:
        """The name of its blob."""
        return workshop.products(self.runtime)[sku].images[0].sha256

    def problem(self, sku: str) -> str | None:
        """What is wrong with the image of a product."""
        return workshop.products(self.runtime)[sku].images[0].problem

    def file(self, area: Area, name: str) -> Path:
        """Where a file of the blob store is."""
        folder = self.runtime.settings.home / "blobs" / area
        return folder / (name if area in {"staged", "aside"} else f"{name[:2]}/{name}")

    def put_file(self, area: Area, name: str, data: bytes = b"x") -> Path:
        """A file that nobody knows of."""
        path = self.file(area, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def put_point(self, point_id: str, payload: dict[str, str] | None = None) -> None:
        """A point that nobody knows of."""
        vector = np.ones(self.gallery.dim, dtype=np.float32)
        self.gallery.upsert([Point(point_id, vector, payload or {"product": "p", "sku": "s"})])

    def forget_row(self, image_id: str) -> None:
        """Lose the row that says that the gallery holds an image."""
        self._write(lambda s: s.execute(delete(Embedding).where(Embedding.image_id == image_id)))

    def lose_image_row(self, image_id: str) -> None:
        """Lose the row of an image, as no part of Akin does it."""
        self._write(lambda s: s.execute(delete(Image).where(Image.id == image_id)))

    def edit_behind_the_back(self, sku: str, category: str) -> None:
        """Change a product without saying so to the galleries."""
        ours = update(Product).where(Product.sku == sku).values(category=category)
        raised = update(Image).where(Image.id == self.image(sku)).values(revision=9)
        self._write(lambda s: (s.execute(ours), s.execute(raised)))

    def end_embed_jobs(self) -> None:
        """Nobody is going to embed what waits."""
        self._write(lambda s: s.execute(delete(Job).where(Job.kind == "embed")))

    def ask_for_embedding(self) -> None:
        self._write(lambda s: ensure_embedded(s, self.runtime.queue))

    def blobs(self) -> set[str]:
        """The SHA-256 of every blob that SQL knows."""
        with self.runtime.database.read() as session:
            return set(session.scalars(select(Blob.sha256)))

    def assert_in_line(self) -> None:
        """SQL, blobs and the gallery agree, looked at without reconciliation's own code."""
        self.embed()
        assert self.gallery.scroll(None, 10_000) == self.ids()
        files = {file.name for file in self.runtime.blobs.files("originals")}
        assert files == self.blobs()
        with self.runtime.database.read() as session:
            assert files == set(session.scalars(select(Image.sha256)))
            assert sorted(session.scalars(select(Embedding.image_id))) == self.ids()

    def _write(self, change: Callable[[Session], object]) -> None:
        with self.runtime.database.write() as session:
            change(session)


def assert_found_mended_and_gone(shop: DamagedShop, kind: str, count: int = 1, **how: bool) -> None:
    """Looking changes nothing; mending finds the same; afterwards all agree."""
    assert shop.found(**how) == {kind: count}
    assert shop.found(**how) == {kind: count}
    assert shop.found(mend=True, **how) == {kind: count}
    shop.embed()
    assert shop.found(**how) == {}
    assert shop.found(mend=True, **how) == {}
    shop.assert_in_line()


def lose(shop: DamagedShop, sku: str) -> None:
    """As a failing disk does with a picture."""
    shop.file("originals", shop.sha256(sku)).unlink()
