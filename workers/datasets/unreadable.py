"""Which pictures cannot be read: every one is opened, in parallel."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from backend.encoding.decoding import decode_image
from backend.errors import AkinError
from backend.findings import Step
from workers.datasets.regions import read_picture

_SEEN_AT = 224  # pixels: a JPEG is decoded at a fraction of its size, and still read to its end
_CHUNK = 256
_TOLD = 20

Named = tuple[str, Path | bytes]


def unreadable(pictures: Iterable[Named], total: int, step: Step) -> list[str]:
    """A sentence for each picture that cannot be read, as long as they are not too many.

    pictures: name, and file or bytes; total: how many, for the progress.
    """
    waiting = iter(pictures)
    sentences: list[str] = []
    done = 0
    # Threads will do: a decoder works without the interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while chunk := list(islice(waiting, _CHUNK)):
            sentences += [told for told in pool.map(_problem, chunk) if told is not None]
            done += len(chunk)
            step("Opening pictures", done, total)
    if len(sentences) <= _TOLD:
        return sentences
    return [*sentences[:_TOLD], f"{len(sentences) - _TOLD:,} more pictures cannot be read."]


def _problem(picture: Named) -> str | None:
    name, source = picture
    try:
        data = source if isinstance(source, bytes) else read_picture(source)
        decode_image(data, draft=_SEEN_AT, name=name)
    except AkinError as error:
        return error.sentence
    return None
