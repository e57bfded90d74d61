"""Whether what is exported can come back: an import takes neither a file nor a zip of any size."""

from __future__ import annotations

from backend.catalogue.archives import ZipLimits
from backend.catalogue.manifest_tables import MAX_ROWS
from backend.catalogue.schemas import ExportSize

_A_MEMBER = 256  # bytes of a zip for an image beside its own: two headers with its name
_A_LINE = 512  # bytes of the packed list for a product: more than most take


def with_problems(
    size: ExportSize, max_upload_bytes: int, limits: ZipLimits = ZipLimits()
) -> ExportSize:
    """The size, with what would stop a zip, and what a folder, from being imported again."""
    folder = _rows(size)
    zipped = folder or _sent(size, max_upload_bytes) or _opened(size, limits)
    return size.model_copy(update={"folder_problem": folder, "zip_problem": zipped})


def _rows(size: ExportSize) -> str | None:
    if size.products <= MAX_ROWS:
        return None
    return (
        f"A list of {size.products:,} products could not be imported again, since {MAX_ROWS:,} "
        "rows are allowed: export it in parts, each under a filter."
    )


def _sent(size: ExportSize, max_upload_bytes: int) -> str | None:
    whole = size.bytes + _A_MEMBER * size.images + _A_LINE * size.products
    if whole <= max_upload_bytes:
        return None
    return (
        f"The zip would have about {whole:,} bytes and could not be imported again, since "
        f"{max_upload_bytes:,} may be sent at once here: {_FOLDER}, or raise AKIN_MAX_UPLOAD_BYTES."
    )


def _opened(size: ExportSize, limits: ZipLimits) -> str | None:
    if size.images >= limits.members:  # the list is one more
        what, allowed = f"hold {size.images + 1:,} files", limits.members
    elif size.bytes + _A_LINE * size.products > limits.expanded_bytes:
        what, allowed = f"expand to {size.bytes:,} bytes and more", limits.expanded_bytes
    else:
        return None
    return (
        f"The zip would {what} and could not be imported again, since {allowed:,} are allowed: "
        f"{_FOLDER}."
    )


_FOLDER = "export a folder instead, with akin export FOLDER"
