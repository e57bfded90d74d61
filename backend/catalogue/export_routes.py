"""The catalogue as a file, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from backend.accounts.actor import require
from backend.catalogue import examples
from backend.catalogue.export_limits import with_problems
from backend.catalogue.exporting import export_lines, export_size, export_zip
from backend.catalogue.filter_query import Filters
from backend.catalogue.listing import read_filter
from backend.catalogue.schemas import ExportSize
from backend.dependencies import get_runtime
from backend.runtime import Runtime

router = APIRouter()

_MANAGER = Depends(require("manager"))


@router.get(
    "/catalogue/export.jsonl",
    summary="Export the catalogue",
    response_class=StreamingResponse,
    responses=examples.EXPORT,
    dependencies=[_MANAGER],
)
def export(
    filters: Filters = [],  # noqa: B006 - FastAPI copies it
    runtime: Runtime = Depends(get_runtime),
) -> StreamingResponse:
    """Every product with its fields and the file names of its images, streamed."""
    with runtime.database.read() as session:
        wanted = read_filter(session, filters)
    return _download(
        export_lines(runtime.database, wanted), "application/x-ndjson", "catalogue.jsonl"
    )


@router.get(
    "/catalogue/export.zip",
    summary="Export the catalogue with its images",
    response_class=StreamingResponse,
    responses=examples.EXPORT_ZIP,
    dependencies=[_MANAGER],
)
def export_with_images(
    filters: Filters = [],  # noqa: B006 - FastAPI copies it
    runtime: Runtime = Depends(get_runtime),
) -> StreamingResponse:
    """A zip of `products.jsonl` and the images, streamed; as an import it gives the same again."""
    with runtime.database.read() as session:
        wanted = read_filter(session, filters)
    chunks = export_zip(runtime.database, runtime.blobs, wanted)
    return _download(chunks, "application/zip", "catalogue.zip")


@router.get(
    "/catalogue/export",
    summary="How large an export would be",
    responses=examples.EXPORT_SIZE,
    dependencies=[_MANAGER],
)
def get_export_size(
    filters: Filters = [],  # noqa: B006 - FastAPI copies it
    runtime: Runtime = Depends(get_runtime),
) -> ExportSize:
    """Products, images and the images' bytes; and whether a zip or folder of them comes back."""
    with runtime.database.read() as session:
        size = export_size(session, read_filter(session, filters))
    return with_problems(size, runtime.settings.max_upload_bytes)


def _download(chunks: Iterator[str] | Iterator[bytes], form: str, name: str) -> StreamingResponse:
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(chunks, media_type=form, headers=disposition)
