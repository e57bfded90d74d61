"""What a decoding child replied, checked before it is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from backend.encoding.decode_process import ChildStopped, Reply
from backend.encoding.decoding import DecodeLimits
from backend.encoding.rendering import SIDES, Rendered, is_whole
from backend.errors import AkinError, TooLarge, UnsupportedImage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backend.blobs import RenditionKind

MAX_RENDITIONS = 16 * 1024 * 1024  # bytes; two WebP files of at most 1,200 pixels a side

_REFUSALS: dict[str, type[AkinError]] = {
    "UnsupportedImage": UnsupportedImage,
    "TooLarge": TooLarge,
}


class NeedsRoom(Exception):
    """The picture is large: it is to be asked for again, alone."""


class ChildFull(Exception):
    """The picture needs more memory than the child may have."""


def read_planes(reply: Reply, side: int) -> NDArray[np.uint8]:
    """(3, side, side) pixels.

    Raises what the child raised (UnsupportedImage, TooLarge), NeedsRoom, ChildFull, and
    ChildStopped for a reply that makes no sense.
    """
    import numpy as np

    _check(reply.header)
    if len(reply.payload) != 3 * side * side:
        raise ChildStopped
    return np.frombuffer(reply.payload, np.uint8).reshape(3, side, side)


def read_rendered(reply: Reply, limits: DecodeLimits) -> Rendered:
    """Facts and renditions; raises as `read_planes` does."""
    _check(reply.header)
    form, width, height, sizes = (
        reply.header.get(key) for key in ("form", "width", "height", "sizes")
    )
    if form not in (*limits.formats, "MPO") or not _is_size(width) or not _is_size(height):
        raise ChildStopped
    if width * height > limits.max_pixels:
        raise ChildStopped
    return Rendered(form, width, height, _cut(bytes(reply.payload), sizes))


def _check(header: dict[str, Any]) -> None:
    if header.get("large") is True:
        raise NeedsRoom
    if header.get("failed") == "memory":
        raise ChildFull
    refusal, sentence = header.get("refused"), header.get("sentence")
    if isinstance(refusal, str) and refusal in _REFUSALS and isinstance(sentence, str):
        raise _REFUSALS[refusal](sentence)
    if refusal is not None or "failed" in header:
        raise ChildStopped


def _cut(payload: bytes, sizes: Any) -> dict[RenditionKind, bytes]:
    kinds = list(SIDES)
    if not isinstance(sizes, list) or len(sizes) != len(kinds) or not all(map(_is_size, sizes)):
        raise ChildStopped
    if sum(sizes) != len(payload):
        raise ChildStopped
    renditions, start = {}, 0
    for kind, size in zip(kinds, sizes, strict=True):
        renditions[kind] = payload[start : start + size]
        start += size
    if not all(map(is_whole, renditions.values())):
        raise ChildStopped
    return renditions


def _is_size(value: Any) -> TypeGuard[int]:
    return type(value) is int and value > 0
