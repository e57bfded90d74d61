"""Pictures and texts through frozen towers, in batches, into a store of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from backend.encoding.backbone import Backbone, BadFeatures
from backend.encoding.decoding import decode_image
from backend.encoding.preprocessing import Preprocessing
from backend.errors import TooLarge, UnsupportedImage
from workers.prefetching import ahead, decode_threads
from workers.trainer.digests import sha256
from workers.trainer.row_store import Key, RowWriter

Features = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Picture = Path | bytes
Counted = Callable[[int, int], None]
Wanted = tuple[Key, tuple[str, Picture]]
Item = TypeVar("Item")

IMAGE_BATCH, TEXT_BATCH = 64, 64
SORTED_TEXTS = 64 * TEXT_BATCH  # of similar lengths in a batch, so that little is padding
UNUSABLE = "The backbone gives no direction for it: leave it out, or check the weights."


def untold(done: int, total: int) -> None:
    """Progress that nobody asked for."""


def write_image_features(
    backbone: Backbone,
    images: Mapping[Key, tuple[str, Picture]],
    writer: RowWriter,
    progress: Counted,
) -> dict[Key, str]:
    """Adds the features of each (name, picture) under its content hash.

    Pictures are decoded in threads ahead of the tower. Returns why some have no features.
    """
    failed: dict[Key, str] = {}
    prepare = partial(_prepared, see=backbone.preprocessing)
    with (
        ThreadPoolExecutor(decode_threads(), "decode") as pool,
        closing(ahead(pool, prepare, images.items(), 2 * IMAGE_BATCH)) as prepared,
    ):
        done = 0
        for batch in _batches(prepared, IMAGE_BATCH):
            seen = {key: pixels for key, pixels in batch if not isinstance(pixels, str)}
            failed |= {key: pixels for key, pixels in batch if isinstance(pixels, str)}
            _encode_pictures(backbone, seen, failed, writer)
            done += len(batch)
            progress(done, len(images))
    return failed


def write_text_features(
    backbone: Backbone, texts: Mapping[Key, str], writer: RowWriter, progress: Counted
) -> None:
    """Adds the features of each text in order, encoded beside others of its length: padding is cut
    off to the longest of a batch (METHODS, policy 4)."""
    done = 0
    for window in _batches(texts.items(), SORTED_TEXTS):
        by_length = sorted(range(len(window)), key=lambda i: len(window[i][1]))
        found = np.empty((len(window), backbone.dim), dtype=np.float32)
        for rows in _batches(by_length, TEXT_BATCH):
            found[rows] = backbone.encode_texts([window[row][1] for row in rows])
            done += len(rows)
            progress(done, len(texts))
        writer.add([key for key, _ in window], found)


def unopened(path: Path, error: OSError) -> str:
    """Why a file could not be read."""
    if isinstance(error, FileNotFoundError):
        return f"There is no file {path}: put it there, or correct its name."
    return f"The file {path} cannot be read ({error.strerror}): check it and its permissions."


def _prepared(wanted: Wanted, see: Preprocessing) -> tuple[Key, Pixels | str]:
    """The pixels of a picture, or why there are none."""
    key, (name, picture) = wanted
    try:
        data = picture if isinstance(picture, bytes) else picture.read_bytes()
        if sha256(data) != key:
            return key, f"The file {picture!s} changed while it was read: start again."
        shown = name if isinstance(picture, bytes) else str(picture)
        return key, see.pixels(decode_image(data, draft=see.draft, name=shown))
    except (UnsupportedImage, TooLarge) as error:
        return key, error.sentence
    except OSError as error:
        return key, unopened(Path(str(picture)), error)


def _encode_pictures(
    backbone: Backbone, pixels: Mapping[Key, Pixels], failed: dict[Key, str], writer: RowWriter
) -> None:
    if not pixels:
        return
    keys = list(pixels)
    try:
        features = backbone.encode_images(np.stack(list(pixels.values())))
    except BadFeatures as error:
        failed |= {keys[row]: UNUSABLE for row in error.rows}
        good = {key: seen for key, seen in pixels.items() if key not in failed}
        _encode_pictures(backbone, good, failed, writer)
    else:
        writer.add(keys, features)


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
