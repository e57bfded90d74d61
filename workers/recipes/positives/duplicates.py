"""Pictures that show the same pixels, found by hash: one pass, no picture compared with another.

SPN4CIR's step 0 (Feng et al. 2024) compares each picture with every other one, all in memory.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from backend.encoding.decoding import decode_image
from backend.errors import AkinError
from workers.captioning.captions import Cancelled, Report

THREADS = 4
_WAITING = 4 * THREADS  # pictures in work at once, so that few are in memory


@dataclass(frozen=True)
class Distinct:
    """kept: pictures no two of which are the same, in their order, the first of each group.
    same_as: every other one of a group -> the one that is kept. unreadable: name -> why.
    complete: false where the work was cancelled half way."""

    kept: Mapping[str, Path]
    same_as: Mapping[str, str] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    complete: bool = True

    def representative(self, name: str) -> str:
        """The kept picture that shows what this one shows: most often itself."""
        return self.same_as.get(name, name)


def distinct_images(pictures: Mapping[str, Path], report: Report, cancelled: Cancelled) -> Distinct:
    """Group pictures by their decoded pixels: upright RGB, whatever the file's format.

    Files that are the same byte for byte are decoded once. Memory holds two hashes a picture and
    the pixels of those in work.
    """
    kept: dict[str, Path] = {}
    same_as: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    first: dict[bytes, str] = {}
    for done, (name, seen) in enumerate(_hashed(pictures)):
        if cancelled():
            return Distinct(kept, same_as, unreadable, complete=False)
        if isinstance(seen, str):
            unreadable[name] = seen
        elif (before := first.setdefault(seen, name)) != name:
            same_as[name] = before
        else:
            kept[name] = pictures[name]
        report("duplicates", done + 1, len(pictures))
    return Distinct(kept, same_as, unreadable)


def pixel_hash(image: Image.Image) -> bytes:
    """SHA-256 over the size and the pixels of an RGB picture."""
    return hashlib.sha256(b"%d x %d " % image.size + image.tobytes()).digest()


def _hashed(pictures: Mapping[str, Path]) -> Iterator[tuple[str, bytes | str]]:
    """Each name with the hash of its pixels, or with why they cannot be read, in order."""
    known: dict[bytes, bytes] = {}
    waiting: deque[tuple[str, Future[bytes | str]]] = deque()
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for name, path in pictures.items():
                waiting.append((name, pool.submit(_seen, path, known)))
                if len(waiting) >= _WAITING:
                    done, future = waiting.popleft()
                    yield done, future.result()
            for done, future in waiting:
                yield done, future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _seen(path: Path, known: dict[bytes, bytes]) -> bytes | str:
    try:
        data = path.read_bytes()
        digest = hashlib.sha256(data).digest()
        if digest not in known:
            known[digest] = pixel_hash(decode_image(data, name=str(path)))
        return known[digest]
    except AkinError as error:
        return error.sentence
    except OSError as error:
        return f"{path} cannot be read ({(error.strerror or 'unknown reason').lower()})"
