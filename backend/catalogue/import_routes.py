"""Imports over HTTP: open one, say which files there are, send those that are missing, start."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, File, Query, Request, UploadFile
from pydantic import ValidationError

from backend.accounts.actor import Actor, require
from backend.catalogue import imports
from backend.catalogue.imported import imported_products
from backend.catalogue.naming import check_name
from backend.catalogue.preview_schemas import (
    ManifestPreview,
    PictureNames,
    PicturePreview,
    PreviewRequest,
)
from backend.catalogue.previewing import Known, known_to, preview_manifest, preview_pictures
from backend.catalogue.schemas import FileClaims, FilesWanted, ImportCreate, ProductOut
from backend.dependencies import get_runtime
from backend.errors import AkinError, InvalidInput
from backend.incoming import incoming
from backend.jobs import service as jobs
from backend.jobs.schemas import JobOut
from backend.paging import Page
from backend.problems import PROBLEM_RESPONSES
from backend.runtime import Runtime

_uploads = CapacityLimiter(8)
_previews = CapacityLimiter(2)
"""A large manifest takes some hundred megabytes while it is read."""

_BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}

router = APIRouter(
    prefix="/v1/imports",
    tags=["imports"],
    responses={status: PROBLEM_RESPONSES[status] for status in (403, 404, 408, 409, 413, 422, 507)},
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


@router.post("/preview", dependencies=[Manager], summary="Look at a manifest before importing it")
async def preview(
    manifest: Annotated[UploadFile, File(description="The CSV or JSON-lines file.")],
    request: Annotated[
        UploadFile | str,
        File(
            description="A `PreviewRequest` as JSON: a form field, or a file, which may be as long "
            "as the names of many pictures are."
        ),
    ] = "{}",
    runtime: Runtime = Depends(get_runtime),
) -> ManifestPreview:
    """What its columns would be taken for, its first products and mistakes; nothing is kept."""

    def look_up(skus: Sequence[str]) -> Known:
        with runtime.database.read() as session:
            return known_to(session, skus)

    def look() -> ManifestPreview:
        asked = _preview_request(request)
        name = check_name(asked.name or manifest.filename or "manifest.csv")
        web = bool(runtime.settings.url_import)
        return preview_manifest(manifest.file.read(), name, asked, look_up, web=web)

    return await to_thread.run_sync(look, limiter=_previews)


@router.post(
    "/preview/pictures", dependencies=[Manager], summary="What pictures' names say about them"
)
def preview_names(pictures: PictureNames) -> list[PicturePreview]:
    """The products that pictures would become without a manifest."""
    return preview_pictures(pictures.names)


@router.post("/{job_id}/files", dependencies=[Manager], summary="Say which files belong to it")
def claim_files(
    job_id: str, claims: FileClaims, runtime: Runtime = Depends(get_runtime)
) -> FilesWanted:
    """Name, hash and size of files; the answer is which bytes are missing. May be repeated."""
    limit = runtime.settings.max_upload_bytes
    with runtime.database.write() as session:
        wanted = imports.claim_files(session, job_id, claims.files, limit)
    wanted += _lost(runtime, job_id, claims, wanted)
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
    openapi_extra={"requestBody": {"content": {"application/octet-stream": _BYTES}}},
)
async def send_file(
    job_id: str, sha256: str, request: Request, runtime: Runtime = Depends(get_runtime)
) -> None:
    """The raw bytes, streamed to disk and compared with their hash. May be repeated."""
    chunks = incoming(request, runtime.settings.upload_silence_seconds)
    # Threads of their own, so that slow uploads do not hold those that answer everything else.
    await to_thread.run_sync(_receive, runtime, job_id, sha256, chunks, limiter=_uploads)


@router.post("/{job_id}/start", status_code=202, summary="Start an import")
def start_import(
    job_id: str, actor: Actor = Manager, runtime: Runtime = Depends(get_runtime)
) -> JobOut:
    """Every file is sent: a worker takes it from here; watch the job."""
    with runtime.database.write() as session:
        job = imports.start(session, runtime.queue, job_id, actor.name)
        return jobs.to_schema(job)


def _preview_request(given: UploadFile | str) -> PreviewRequest:
    try:
        text = given if isinstance(given, str) else given.file.read()
        return PreviewRequest.model_validate_json(text)
    except ValidationError as error:
        raise InvalidInput(
            f"The preview's request does not fit: {error.errors()[0]['msg'].lower()}."
        ) from error


def _lost(runtime: Runtime, job_id: str, claims: FileClaims, wanted: Collection[str]) -> list[str]:
    """Pictures the catalogue knows and whose bytes it has lost: sent again, they are healed."""
    sizes = {claim.sha256: claim.size for claim in claims.files if claim.sha256 not in wanted}
    lost = [
        sha256
        for sha256, size in sizes.items()
        if runtime.blobs.size(sha256) != size and not runtime.blobs.staged(sha256)
    ]
    if lost:
        with runtime.database.write() as session:
            imports.mark_missing(session, job_id, lost)
    return lost


@router.get(
    "/{job_id}/products", dependencies=[Manager], summary="The products that an import brought"
)
def products(
    job_id: str,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000_000, description="How many to pass over.")] = 0,
    runtime: Runtime = Depends(get_runtime),
) -> Page[ProductOut]:
    """One page of what it made or changed, in the order of its input."""
    with runtime.database.read() as session:
        return imported_products(session, job_id, cursor=cursor, limit=limit, offset=offset)


def _receive(runtime: Runtime, job_id: str, sha256: str, chunks: Iterator[bytes]) -> None:
    with runtime.database.read() as session:
        imports.check_claimed(session, job_id, sha256)
    size = runtime.blobs.stage(sha256, chunks, runtime.settings.max_upload_bytes)
    try:
        with runtime.database.write() as session:
            imports.check_claimed(session, job_id, sha256)
            imports.mark_received(session, job_id, [sha256], size=size)
    except AkinError:  # cancelled while the bytes came
        with runtime.database.write() as session:
            imports.unstage_unclaimed(session, runtime.blobs, [sha256])
        raise
