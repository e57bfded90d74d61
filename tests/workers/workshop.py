"""Imports and embed jobs run to their end in the test's own thread."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import Mapping
from typing import Any

from PIL import Image as Pillow
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.catalogue import imports
from backend.catalogue.presenting import to_schema
from backend.catalogue.schemas import FileClaim, ImportCreate, ProductOut
from backend.catalogue.service import delete_products
from backend.catalogue.tables import Product
from backend.encoding.backbone import Backbone
from backend.jobs import service as jobs
from backend.jobs.schemas import JobItemOut
from backend.jobs.tables import Job
from backend.registry.deployments import Active
from backend.registry.service import ensure_active
from backend.registry.tables import Embedding
from backend.runtime import Runtime
from workers.embedding import embed
from workers.execution import execute
from workers.ingesting import ingest


def use(runtime: Runtime, backbone: Backbone) -> None:
    """Let the runtime's settings name a backbone that is loaded already."""
    runtime.settings.backbone = backbone.spec.name
    runtime.models.know(backbone)


def photo(colour: str = "red", form: str = "JPEG", mode: str = "RGB", **options: Any) -> bytes:
    """A 48 x 64 picture of one colour, its bytes different for each colour."""
    buffer = io.BytesIO()
    Pillow.new("RGB", (48, 64), colour).convert(mode).save(buffer, form, **options)
    return buffer.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def open_import(runtime: Runtime, files: Mapping[str, bytes], **request: Any) -> str:
    """An import that was started with these files, not run yet; its job's id."""
    claims = [
        FileClaim(name=name, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
        for name, data in files.items()
    ]
    with runtime.database.write() as session:
        job_id = imports.open_import(session, runtime.queue, ImportCreate(**request), "ann").id
        missing = imports.claim_files(session, job_id, claims, max_bytes=10**9)
    for data in files.values():
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 in missing:
            runtime.blobs.stage(sha256, [data], 10**9)
    with runtime.database.write() as session:
        imports.mark_received(session, job_id, missing)
        imports.start(session, runtime.queue, job_id)
    return job_id


def run_ingest(runtime: Runtime, job_id: str) -> Job:
    """Do the import; the job as it is then."""
    execute(runtime, "ingest", ingest, job_id, threading.Event())
    return job_of(runtime, job_id)


def import_files(runtime: Runtime, files: Mapping[str, bytes], **request: Any) -> Job:
    """Import these files."""
    return run_ingest(runtime, open_import(runtime, files, **request))


def run_embeds(runtime: Runtime) -> list[Job]:
    """Do every embed job that is queued; the jobs as they are then."""
    with runtime.database.read() as session:
        queued = select(Job.id).where(Job.kind == "embed", Job.state == "queued")
        ids = session.scalars(queued).all()
    for job_id in ids:
        execute(runtime, "embed", embed, job_id, threading.Event())
    return [job_of(runtime, job_id) for job_id in ids]


def activate(runtime: Runtime) -> Active:
    """A model version over an empty gallery, as the first start makes it."""
    backbone = runtime.backbone()
    with runtime.database.write() as session:
        return ensure_active(session, runtime, backbone)


def job_of(runtime: Runtime, job_id: str) -> Job:
    """The job as it is now."""
    with runtime.database.read() as session:
        return session.get_one(Job, job_id)


def report(runtime: Runtime, job: Job) -> list[JobItemOut]:
    """Every line of the job's report."""
    with runtime.database.read() as session:
        return jobs.items(session, job.id, limit=1000).items


def reasons(runtime: Runtime, job: Job) -> dict[str, str | None]:
    """The refused lines of a job's report, each with its reason."""
    return {item.name: item.reason for item in report(runtime, job) if item.state == "failed"}


def products(runtime: Runtime) -> dict[str, ProductOut]:
    """The whole catalogue by SKU."""
    with runtime.database.read() as session:
        rows = session.scalars(select(Product).order_by(Product.sku)).all()
        return {product.sku: product for product in to_schema(session, rows)}


def photos(count: int) -> dict[str, bytes]:
    return {f"dress/{n}.png": photo(f"rgb({n}, 90, 9)", "PNG") for n in range(count)}


def ids(runtime: Runtime) -> list[str]:
    return sorted(i.id for product in products(runtime).values() for i in product.images)


def embeddings(runtime: Runtime) -> dict[str, tuple[int, str | None]]:
    with runtime.database.read() as session:
        rows = session.scalars(select(Embedding)).all()
        return {row.image_id: (row.image_revision, row.error) for row in rows}


def delete_all(session: Session, runtime: Runtime) -> None:
    gone = [product.id for product in products(runtime).values()]
    delete_products(session, runtime.queue, gone)
