"""A backup over HTTP: what holds the data folder is the server, so the server has to make it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from backend.accounts.actor import Actor, require
from backend.backup.making import expected_bytes, make_backup
from backend.backup.noting import note_taken
from backend.dependencies import get_runtime
from backend.problems import PROBLEM_RESPONSES
from backend.runtime import Runtime

EXPECTED = "X-Akin-Expected-Bytes"

router = APIRouter(
    prefix="/v1",
    tags=["backup"],
    responses={status: PROBLEM_RESPONSES[status] for status in (403, 503)},
)
_TAR: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}


@router.get(
    "/backup",
    summary="The whole installation as one file",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-tar": _TAR}, "description": "See docs/backup.md."}},
)
def backup(
    actor: Actor = Depends(require("admin")), runtime: Runtime = Depends(get_runtime)
) -> StreamingResponse:
    """Rows, galleries, pictures and models, streamed; `akin restore` fills an empty one from it.

    It can be made at any time, and holds passwords and tokens only as hashes. The audit log says
    who took it.
    """
    chunks = make_backup(runtime)
    first = next(chunks)  # so that what is wrong from the start is told as a problem
    size = expected_bytes(runtime)
    with runtime.database.write() as session:
        note_taken(session, actor.name, size)
    headers = {
        "Content-Disposition": 'attachment; filename="akin-backup.tar"',
        EXPECTED: str(size),
    }
    body: Iterator[bytes] = chain([first], chunks)
    return StreamingResponse(body, media_type="application/x-tar", headers=headers)
