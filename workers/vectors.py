"""From stored bytes to features: the two steps that every image of a gallery goes through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.catalogue.lost_pictures import lost_bytes, unreadable_bytes
from backend.encoding.backbone import Backbone, BadFeatures
from backend.encoding.preprocessing import Preprocessing
from backend.errors import AkinError, NotFound, Unavailable
from backend.gallery.port import Vector
from backend.runtime import Runtime
from backend.stopwatch import Stopwatch
from workers.embedding_rows import Wanted


@dataclass(frozen=True, slots=True)
class Decoded:
    """An image with its pixels (3, size, size), or why there are none, in a sentence."""

    wanted: Wanted
    pixels: NDArray[np.uint8] | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """An image with its features (dim,), or why there are none."""

    wanted: Wanted
    vector: Vector | None
    error: str | None = None


def decode(
    runtime: Runtime, preprocessing: Preprocessing, watch: Stopwatch, wanted: Wanted
) -> Decoded:
    """The pixels of an image, or its error.

    Raises Unavailable if the blob store or the decoder does not answer, and what the blob store
    raises where it is not the one picture's bytes that cannot be read.
    """
    name = f"the image of {wanted.sku}"
    try:
        with watch.stage("read"):
            data = runtime.blobs.read(wanted.sha256)
        with watch.stage("decode"):
            return Decoded(wanted, runtime.decoder.pixels(data, preprocessing, name=name))
    except NotFound:
        return Decoded(wanted, None, lost_bytes(wanted.sku))
    except OSError as error:
        if not runtime.blobs.disk_failed(error):
            raise
        return Decoded(wanted, None, unreadable_bytes(wanted.sku))
    except Unavailable:
        raise
    except AkinError as refusal:
        return Decoded(wanted, None, refusal.sentence)


def encode(backbone: Backbone, batch: Sequence[Decoded], threads: int) -> list[Encoded]:
    """The features of those images that have pixels; one that has no usable ones gets an error."""
    failed = [Encoded(one.wanted, None, one.error) for one in batch if one.pixels is None]
    good = [one for one in batch if one.pixels is not None]
    if not good:
        return failed
    try:
        pixels = np.stack([one.pixels for one in good if one.pixels is not None])
        features = backbone.encode_images(pixels, threads=threads)
    except BadFeatures as error:
        bad = [_bad(good[row].wanted) for row in error.rows]
        rest = [one for row, one in enumerate(good) if row not in error.rows]
        return failed + bad + encode(backbone, rest, threads)
    pairs = zip(good, features, strict=True)
    return failed + [Encoded(one.wanted, vector) for one, vector in pairs]


def _bad(wanted: Wanted) -> Encoded:
    return Encoded(
        wanted,
        None,
        f"The backbone gives no usable features for the image of {wanted.sku}: replace the "
        "picture, or check the backbone's weights.",
    )
