"""What is done with all triplets over HTTP: files, a share held out, scores."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, File, Form, Query, UploadFile
from fastapi.responses import StreamingResponse

from backend.accounts.actor import Actor, require
from backend.catalogue.schemas import Split
from backend.dependencies import get_runtime
from backend.feedback import examples
from backend.feedback.exporting import EXPORTED, export_triplets
from backend.feedback.formats import MAX_BYTES
from backend.feedback.holding_out import hold_out
from backend.feedback.importing import import_triplets
from backend.feedback.schemas import HeldOut, HoldOut, PictureNames, TripletFormat, TripletImport
from backend.feedback.scoring import ensure_score
from backend.jobs.schemas import JobOut
from backend.jobs.service import to_schema
from backend.runtime import Runtime

router = APIRouter()

_MANAGER = Depends(require("manager"))


@router.post(
    "/triplets/import",
    summary="Import triplets from a file",
    status_code=HTTPStatus.CREATED,
    responses=examples.IMPORTED,
)
def post_import(
    file: Annotated[
        UploadFile, File(description="JSON as FashionIQ or CIRR write it, or `triplets.jsonl`.")
    ],
    source: Annotated[
        Literal["import", "spn-positives"],
        Form(description="What made the file: people, or `akin dataset spn-positives`."),
    ] = "import",
    actor: Actor = _MANAGER,
    runtime: Runtime = Depends(get_runtime),
) -> TripletImport:
    """Each sentence of each row becomes a candidate. Both sides are named by SKU, by `SKU #2` for
    a product's second image, or by a picture's file name; a row that names anything else is
    refused, and the others are kept. Sent twice, nothing changes."""
    data = file.file.read(MAX_BYTES + 1)
    return import_triplets(runtime.database, data, file.filename or "file", source, actor.name)


@router.get(
    "/triplets/export",
    summary="Export the accepted triplets",
    response_class=StreamingResponse,
    responses=examples.EXPORT,
    dependencies=[_MANAGER],
)
def get_export(
    format: Annotated[  # noqa: A002 - the word of the address
        TripletFormat, Query(description="FashionIQ's, CIRR's, or Akin's own `triplets.jsonl`.")
    ] = "akin",
    split: Annotated[
        Split | None, Query(description="Of both products; without it, all but mixed ones.")
    ] = None,
    names: Annotated[
        PictureNames,
        Query(description="What pictures are called: by SKU, or by the file's name in an export."),
    ] = "sku",
    runtime: Runtime = Depends(get_runtime),
) -> StreamingResponse:
    """Those whose target is what was meant, streamed. Left out are references that were uploaded,
    since no catalogue has them, and triplets between products of different splits."""
    form, name = EXPORTED[format]
    name = name.replace("train", split or "train")
    return StreamingResponse(
        export_triplets(runtime.database, format, split, names),
        media_type=form,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@router.post(
    "/triplets/hold-out",
    summary="Hold accepted triplets out of training",
    responses=examples.HELD_OUT,
)
def post_hold_out(
    wanted: HoldOut, actor: Actor = _MANAGER, runtime: Runtime = Depends(get_runtime)
) -> HeldOut:
    """Move products out of training, with all that accepted triplets join to them, until the share
    is reached: so no product is on both sides. The same catalogue gives the same choice."""
    with runtime.database.write() as session:
        return hold_out(session, runtime.queue, wanted, actor.name)


@router.post(
    "/triplets/score",
    summary="Score the candidates",
    status_code=HTTPStatus.ACCEPTED,
)
def post_score(actor: Actor = _MANAGER, runtime: Runtime = Depends(get_runtime)) -> JobOut:
    """A job that says of every candidate how consistent it is, under the active version and the
    zero-shot sum, and what other triplets say of it. Asked for again, the answer is the job that
    is under way."""
    with runtime.database.write() as session:
        return to_schema(ensure_score(session, runtime.queue, actor.name))
