"""The SHA-256 of files, each read once: a file that did not change since is not read again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from workers.prefetching import ahead, decode_threads
from workers.trainer.row_store import KEY_BYTES, Key, RowStore

FRESH_SECONDS = 2.0
"""A file touched so lately could change again and still carry the same time."""

NOWHERE = bytes(KEY_BYTES)  # the entry of a file that is not there; no digest is that


class Digests:
    """Remembers, in `folder`, the digest of each file by its path, size, number and time of change.

    Training on millions of pictures begins with a look at each one's content; with this, at its
    entry in the file system.
    """

    def __init__(self, folder: Path) -> None:
        self._store = RowStore(folder, width=KEY_BYTES, dtype=np.uint8)

    def of(self, paths: Sequence[Path]) -> list[Key | OSError]:
        """The digest of each file, or why it could not be read."""
        entries = [_entry(path) for path in paths]
        rows = self._store.find(entries)
        known = self._store.array()[rows].tobytes() if len(self._store) else b""
        found: list[Key | OSError] = [
            known[KEY_BYTES * i : KEY_BYTES * (i + 1)] for i in range(len(paths))
        ]
        unknown = [int(i) for i in np.flatnonzero(rows < 0)]
        for i, digest in zip(unknown, _read_all([paths[i] for i in unknown]), strict=True):
            found[i] = digest
        fresh = {entries[i]: found[i] for i in unknown if _is_settled(paths[i], entries[i])}
        self._remember({e: d for e, d in fresh.items() if isinstance(d, bytes)})
        return found

    def forget(self, digests: Sequence[Key]) -> None:
        """No file is remembered to have one of these."""
        self._store.refresh()
        if len(self._store) and digests:
            held = np.ascontiguousarray(self._store.array()).view(f"S{KEY_BYTES}").ravel()
            wanted = np.frombuffer(b"".join(digests), dtype=held.dtype)
            self._store.forget(np.flatnonzero(np.isin(held, wanted)))

    def _remember(self, digests: dict[Key, Key]) -> None:
        if not digests:
            return
        with self._store.writing() as writer:
            rows = self._store.find(list(digests))
            new = {e: d for (e, d), row in zip(digests.items(), rows, strict=True) if row < 0}
            values = np.frombuffer(b"".join(new.values()), dtype=np.uint8)
            writer.add(list(new), values.reshape(-1, KEY_BYTES))


def sha256(data: bytes) -> Key:
    return hashlib.sha256(data).digest()


def _read_all(paths: Sequence[Path]) -> list[Key | OSError]:
    with ThreadPoolExecutor(decode_threads(), "digest") as pool:
        return list(ahead(pool, _digest, paths, 2 * decode_threads()))


def _digest(path: Path) -> Key | OSError:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        return error


def _entry(path: Path) -> Key:
    try:
        found = path.stat()
    except OSError:
        return NOWHERE
    facts = (str(path.absolute()), found.st_size, found.st_ino, found.st_ctime_ns)
    return sha256(repr(facts).encode())


def _is_settled(path: Path, entry: Key) -> bool:
    """Whether the file is as it was before it was read, and has been for a while."""
    try:
        age = time.time() - path.stat().st_ctime
    except OSError:
        return False
    return age > FRESH_SECONDS and _entry(path) == entry
