"""Changing model versions over HTTP: import, export, rename, archive, delete."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import Annotated, Any, BinaryIO

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from backend.accounts.actor import Actor, current_actor, require
from backend.dependencies import get_runtime
from backend.disk_space import FILES_RESERVE, check_room
from backend.errors import Conflict, TooLarge
from backend.incoming import incoming
from backend.problems import PROBLEM_RESPONSES
from backend.registry import lifecycle
from backend.registry.importing import import_version
from backend.registry.routes import VERSION_ANSWER
from backend.registry.schemas import VersionChange, VersionOut
from backend.registry.versions import find_version
from backend.runtime import Runtime

router = APIRouter(
    prefix="/v1/models",
    tags=["model"],
    responses=PROBLEM_RESPONSES,
    dependencies=[Depends(require("admin"))],
)
_ZIP: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_imports = CapacityLimiter(1)  # each loads a model to try it


@router.put(
    "/import",
    status_code=201,
    summary="Import a model",
    responses={201: VERSION_ANSWER},
    openapi_extra={"requestBody": {"content": {"application/zip": _ZIP}, "required": True}},
)
async def import_model(
    request: Request,
    name: Annotated[str | None, Query(max_length=100, pattern=r"^[^\x00-\x1f]+$")] = None,
    actor: Actor = Depends(current_actor),
    runtime: Runtime = Depends(get_runtime),
) -> VersionOut:
    """A packed artefact, as the export gives it, becomes a version that can be promoted.

    Its backbone has to be that of a version which is here already.
    """
    chunks = incoming(request, runtime.settings.upload_silence_seconds)

    def take() -> VersionOut:
        with TemporaryFile(dir=runtime.settings.home) as file:
            _spool(chunks, file, runtime)
            version_id = import_version(runtime, file, actor.name, name)
        with runtime.database.read() as session:
            return find_version(session, version_id)

    return await to_thread.run_sync(take, limiter=_imports)


@router.get(
    "/{version_id}/artefact",
    summary="Export a model",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": _ZIP}}},
)
def export_model(version_id: str, runtime: Runtime = Depends(get_runtime)) -> StreamingResponse:
    """The packed artefact: a zip of `model.json` and the weights."""
    with runtime.database.read() as session:
        version = lifecycle.version_row(session, version_id)
        name, artefact = version.name, version.artefact
    if artefact is None:
        raise Conflict(
            f"{name} is a backbone as it is, with nothing trained to export: name its backbone in "
            "AKIN_BACKBONE where you want it."
        )
    packed = runtime.artefacts.open(artefact)
    return StreamingResponse(
        _pieces(packed),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="akin-model-{artefact[:12]}.zip"'},
    )


@router.patch("/{version_id}", summary="Rename or archive", responses={200: VERSION_ANSWER})
def change_version(
    version_id: str,
    change: VersionChange,
    actor: Actor = Depends(current_actor),
    runtime: Runtime = Depends(get_runtime),
) -> VersionOut:
    """Another name, or put away: an archived version cannot be promoted."""
    with runtime.database.write() as session:
        if change.name is not None:
            lifecycle.rename(session, version_id, change.name, actor=actor.name)
        if change.archived is not None:
            lifecycle.archive(session, version_id, actor=actor.name, archived=change.archived)
        session.flush()
        return find_version(session, version_id)


@router.delete("/{version_id}", status_code=204, summary="Delete a version")
def delete_version(
    version_id: str,
    actor: Actor = Depends(current_actor),
    runtime: Runtime = Depends(get_runtime),
) -> None:
    """Refused while it is deployed, or another version or a gallery needs it."""
    with runtime.database.write() as session:
        unused = lifecycle.delete(session, version_id, actor=actor.name)
    if unused is not None:
        runtime.artefacts.discard(unused)


def _spool(chunks: Iterator[bytes], file: BinaryIO, runtime: Runtime) -> None:
    """Onto the disk, for a zip is read from its end."""
    limit, received = runtime.settings.max_upload_bytes, 0
    for chunk in chunks:
        received += len(chunk)
        if received > limit:
            raise TooLarge(
                f"The model has more than the {limit:,} bytes allowed: raise AKIN_MAX_UPLOAD_BYTES."
            )
        check_room(runtime.settings.home, FILES_RESERVE)
        file.write(chunk)
    file.seek(0)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(1 << 20):
            yield chunk
