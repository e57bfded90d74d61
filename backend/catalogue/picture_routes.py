"""Pictures over HTTP: renditions for everybody, original bytes for managers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, File, Header, Path, Response, UploadFile
from fastapi.responses import RedirectResponse

from backend.accounts.actor import require
from backend.accounts.signing import SIGNER
from backend.blobs import RenditionKind
from backend.catalogue.renditions import rendition
from backend.dependencies import get_runtime
from backend.problems import PROBLEM_RESPONSES
from backend.runtime import Runtime

_thumbnails = CapacityLimiter(2)
"""Fewer than the children that decode what somebody waits for: a query's picture finds one free."""

router = APIRouter(tags=["pictures"], responses=PROBLEM_RESPONSES)

Sha256 = Annotated[
    str, Path(pattern="^[0-9a-f]{64}$", description="Of the original bytes.", examples=["0" * 64])
]
_FOR_EVER = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}
_WHILE_SIGNED = {**_FOR_EVER, "Cache-Control": "private, max-age=43200, immutable"}
"""A link that is good for a while must not leave its picture in a cache that others share."""
_BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}


@router.get(
    "/pictures/{sha256}/{kind}",
    summary="A picture for a browser",
    response_class=Response,
    responses={
        200: {"content": {"image/webp": _BYTES}, "description": "WebP, without metadata."},
        304: {"description": "The browser has it already."},
        307: {
            "description": "It is at another address, for a short time (AKIN_PICTURE_LINK_SECONDS)."
        },
    },
    dependencies=[Depends(require("shopper"))],
)
def picture(
    sha256: Sha256,
    kind: RenditionKind,
    if_none_match: Annotated[str | None, Header()] = None,
    runtime: Runtime = Depends(get_runtime),
) -> Response:
    """The thumbnail (at most 384 pixels a side) or preview (1,200) of an image; never changes."""
    tag = f'"{sha256}-{kind}"'
    kept = _FOR_EVER if SIGNER.get() is None else _WHILE_SIGNED
    headers = {**kept, "ETag": tag}
    known = {one.strip().removeprefix("W/") for one in (if_none_match or "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if runtime.settings.picture_link_seconds and runtime.blobs.can_sign:
        return _elsewhere(runtime, sha256, kind)
    data = rendition(runtime.blobs, sha256, kind, runtime.query_decoder)
    return Response(data, media_type="image/webp", headers=headers)


def _elsewhere(runtime: Runtime, sha256: str, kind: RenditionKind) -> Response:
    """Where the bucket shows the picture; the browser may ask there for half as long as it may."""
    if not runtime.blobs.has_rendition(sha256, kind):
        rendition(runtime.blobs, sha256, kind, runtime.query_decoder)
    seconds = runtime.settings.picture_link_seconds
    url = runtime.blobs.signed_rendition(sha256, kind, seconds)
    headers = {"Cache-Control": f"private, max-age={seconds // 2}"}
    return RedirectResponse(url, HTTPStatus.TEMPORARY_REDIRECT, headers)


@router.post(
    "/pictures/thumbnail",
    summary="A thumbnail of a picture of one's own",
    response_class=Response,
    responses={200: {"content": {"image/webp": _BYTES}, "description": "WebP, without metadata."}},
    dependencies=[Depends(require("shopper"))],
)
async def thumbnail(
    image: Annotated[UploadFile, File(description="In any format that an import takes.")],
    runtime: Runtime = Depends(get_runtime),
) -> Response:
    """At most 384 pixels a side, upright; nothing is kept."""

    def draw() -> bytes:
        data = image.file.read(runtime.limits.max_bytes + 1)
        made = runtime.query_decoder.render(data, name=image.filename or "the picture")
        return made.renditions["thumbnail"]

    data = await to_thread.run_sync(draw, limiter=_thumbnails)
    return Response(data, media_type="image/webp", headers={"X-Content-Type-Options": "nosniff"})


@router.get(
    "/blobs/{sha256}",
    summary="The original bytes of an image",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": _BYTES}, "description": "As imported."}
    },
    dependencies=[Depends(require("manager"))],
)
def blob(sha256: Sha256, runtime: Runtime = Depends(get_runtime)) -> Response:
    """What was imported, byte for byte, as a download that no browser displays."""
    headers = {
        "Content-Disposition": f'attachment; filename="{sha256}"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(
        runtime.blobs.read(sha256), media_type="application/octet-stream", headers=headers
    )
