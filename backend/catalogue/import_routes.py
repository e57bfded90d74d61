"""Imports over HTTP: open one, say which files there are, send those that are missing, start."""

from __future__ import annotations

from collections.abc import Iterator

from anyio import CapacityLimiter, from_thread, to_thread
from fastapi import APIRouter, Depends, Request

from backend.accounts.actor import Actor, require
from backend.catalogue import imports
from backend.catalogue.schemas import FileClaims, FilesWanted, ImportCreate
from backend.dependencies import get_runtime
from backend.jobs import service as jobs
from backend.jobs.schemas import JobOut
from backend.problems import PROBLEM_RESPONSES
from backend.runtime import Runtime

_uploads = CapacityLimiter(8)

router = APIRouter(
    prefix="/v1/imports",
    tags=["imports"],
    responses={status: PROBLEM_RESPONSES[status] for status in (403, 404, 409, 413, 422)},
)

Manager = Depends(require("manager"))


@router.post("", status_code=201, summary="Open an import")
def open_import(
    request: ImportCreate, actor: Actor = Manager, runtime: Runtime = Depends(get_runtime)
) -> JobOut:
    """A job in state collecting: claim files, send the missing ones, then start it."""
    with runtime.database.write() as session:
        imports.release_staged(session, runtime.blobs)
    with runtime.database.write() as session:
        job = imports.open_import(session, runtime.queue, request, actor.name)
        return jobs.to_schema(job)


@router.post("/{job_id}/files", dependencies=[Manager], summary="Say which files belong to it")
def claim_files(
    job_id: str, claims: FileClaims, runtime: Runtime = Depends(get_runtime)
) -> FilesWanted:
    """Name, hash and size of files; the answer is which bytes are missing. May be repeated."""
    limit = runtime.settings.max_upload_bytes
    with runtime.database.write() as session:
        wanted = imports.claim_files(session, job_id, claims.files, limit)
    staged = {sha256 for sha256 in wanted if runtime.blobs.staged(sha256)}
    if staged:
        with runtime.database.write() as session:
            imports.mark_received(session, job_id, staged)
    return FilesWanted(missing=[sha256 for sha256 in wanted if sha256 not in staged])


@router.put(
    "/{job_id}/files/{sha256}",
    status_code=204,
    dependencies=[Manager],
    summary="Send the bytes of a claimed file",
    openapi_extra={"requestBody": {"content": {"application/octet-stream": {}}}},
)
async def send_file(
    job_id: str, sha256: str, request: Request, runtime: Runtime = Depends(get_runtime)
) -> None:
    """The raw bytes, streamed to disk and compared with their hash. May be repeated."""
    stream = request.stream()

    async def next_chunk() -> bytes:
        return await anext(stream, b"")

    def chunks() -> Iterator[bytes]:
        while chunk := from_thread.run(next_chunk):
            yield chunk

    # Threads of their own, so that slow uploads do not hold those that answer everything else.
    await to_thread.run_sync(_receive, runtime, job_id, sha256, chunks(), limiter=_uploads)


@router.post("/{job_id}/start", status_code=202, dependencies=[Manager], summary="Start an import")
def start_import(job_id: str, runtime: Runtime = Depends(get_runtime)) -> JobOut:
    """Every file is sent: a worker takes it from here; watch the job."""
    with runtime.database.write() as session:
        return jobs.to_schema(imports.start(session, runtime.queue, job_id))


def _receive(runtime: Runtime, job_id: str, sha256: str, chunks: Iterator[bytes]) -> None:
    with runtime.database.read() as session:
        imports.check_claimed(session, job_id, sha256)
    size = runtime.blobs.stage(sha256, chunks, runtime.settings.max_upload_bytes)
    with runtime.database.write() as session:
        imports.check_claimed(session, job_id, sha256)
        imports.mark_received(session, job_id, [sha256], size=size)
