"""Rows of numbers on the disk by key: only ever appended, memory-mapped, shared by processes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock
from numpy.typing import DTypeLike, NDArray

from backend import clock
from backend.disk_space import FULL
from backend.errors import NoSpace, SetupError
from workers.trainer.order import Rows

Key = bytes
"""A SHA-256 digest."""
KEY_BYTES = 32
COMMIT_SECONDS = 5.0
_WIDTH = "width.txt"  # for who forgets rows and does not know the tower that they are of


class RowStore:
    """`width` numbers a row, in two files: `rows.bin`, and `keys.bin` with the key of each row.

    A row counts once its key is written, after the row itself is on the disk; whatever a kill or
    a full disk left behind the last such row is cut off by the next writer. One process writes at
    a time; any number read meanwhile.
    """

    def __init__(self, folder: Path, width: int, dtype: DTypeLike = np.float32) -> None:
        self.folder, self.width, self.dtype = folder, width, np.dtype(dtype)
        self._keys = np.empty(0, dtype=f"S{KEY_BYTES}")
        self._order = np.empty(0, dtype=np.int64)
        self.refresh()

    def __len__(self) -> int:
        return len(self._order)

    def refresh(self) -> None:
        """Sees the rows that others wrote."""
        count = min(_size(self._key_path) // KEY_BYTES, _size(self._row_path) // self._row_bytes)
        if count == len(self):
            return
        keys = np.fromfile(self._key_path, dtype=self._keys.dtype, count=count)
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def find(self, keys: Sequence[Key]) -> Rows:
        """(n,) row of each key, -1 where there is none."""
        if len(self) == 0 or not keys:
            return np.full(len(keys), -1)
        wanted = np.frombuffer(b"".join(keys), dtype=self._keys.dtype)
        places = np.searchsorted(self._keys, wanted).clip(max=len(self) - 1)
        return np.where(self._keys[places] == wanted, self._order[places], -1)

    def forget(self, rows: Rows) -> None:
        """Write over (n,) rows and their keys, so that nothing of them is left on the disk.

        No turn of a writer is waited for: it only appends. A row becomes ones, which can be
        normalised, for whoever has it mapped; its key becomes one that nobody asks for.
        """
        if not len(rows):
            return
        _write_over(self._key_path, KEY_BYTES, {int(row): os.urandom(KEY_BYTES) for row in rows})
        ones = np.ones(self.width, self.dtype).tobytes()
        _write_over(self._row_path, self._row_bytes, {int(row): ones for row in rows})
        self._order = np.empty(0, dtype=np.int64)
        self.refresh()

    def array(self) -> NDArray[Any]:
        """(rows, width), mapped into memory, not to be written to."""
        if len(self) == 0:
            return np.empty((0, self.width), self.dtype)
        return np.memmap(self._row_path, self.dtype, "r", shape=(len(self), self.width))

    @contextmanager
    def writing(self) -> Iterator[RowWriter]:
        """The only writer, as long as the block lasts; waits while another process writes.

        What was added before an error is kept. Raises NoSpace where the disk is full.
        """
        with _telling(self.folder), ExitStack() as files:
            writer = self._writer(files)
            try:
                yield writer
            finally:
                writer.commit()
                self.refresh()

    def _writer(self, files: ExitStack) -> RowWriter:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            files.enter_context(FileLock(self.folder / ".lock"))
            self.refresh()
            (self.folder / _WIDTH).write_text(str(self.width))
            rows = files.enter_context(_opened(self._row_path, len(self) * self._row_bytes))
            keys = files.enter_context(_opened(self._key_path, len(self) * KEY_BYTES))
        except OSError as error:
            if error.errno in FULL:
                raise
            raise SetupError(
                f"The folder of cached features {self.folder} cannot be written "
                f"({error.strerror}): change its permissions, or name another."
            ) from error
        return RowWriter(rows, keys, self.width, self.dtype)

    @property
    def _row_path(self) -> Path:
        return self.folder / "rows.bin"

    @property
    def _key_path(self) -> Path:
        return self.folder / "keys.bin"

    @property
    def _row_bytes(self) -> int:
        return self.width * self.dtype.itemsize


class RowWriter:
    """Appends rows; each costs its own bytes and no more, however many there are already."""

    def __init__(self, rows: BinaryIO, keys: BinaryIO, width: int, dtype: np.dtype[Any]) -> None:
        self._rows, self._keys, self._width, self._dtype = rows, keys, width, dtype
        self._pending: list[Key] = []
        self._committed = clock.monotonic()

    def add(self, keys: Sequence[Key], rows: NDArray[Any]) -> None:
        """Adds (n, width) rows under n keys that are not there yet."""
        if rows.shape != (len(keys), self._width):
            raise ValueError(f"{len(keys)} keys of {self._width} do not fit rows {rows.shape}")
        if not keys:
            return  # an empty view has no bytes to cast
        _write_all(self._rows, np.ascontiguousarray(rows, self._dtype).data.cast("B"))
        self._pending += keys
        if clock.monotonic() - self._committed > COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Makes what was added last: rows first, then their keys."""
        if not self._pending:
            return
        os.fsync(self._rows.fileno())
        _write_all(self._keys, memoryview(b"".join(self._pending)))
        os.fsync(self._keys.fileno())
        self._pending.clear()
        self._committed = clock.monotonic()


def width_of(folder: Path) -> int | None:
    """How many numbers a row of the store in `folder` has; None where there is no store."""
    path = folder / _WIDTH
    return int(path.read_text()) if path.is_file() else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _opened(path: Path, size: int) -> BinaryIO:
    """The file, unbuffered, to be written on from `size`."""
    path.touch()
    os.truncate(path, size)
    return path.open("ab", buffering=0)


def _write_over(path: Path, size: int, rows: Mapping[int, bytes]) -> None:
    with path.open("r+b") as file:
        for row, data in rows.items():
            file.seek(row * size)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _write_all(file: BinaryIO, data: memoryview) -> None:
    """An unbuffered file may take less than it is given."""
    while data:
        data = data[file.write(data) :]


@contextmanager
def _telling(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise NoSpace(
            f"The disk that holds the features in {folder} is full: make room and start again; "
            "those computed so far are kept."
        ) from error
