"""Rows on the disk: whole or not at all, whoever writes, dies or runs out of room meanwhile."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import NoSpace, SetupError
from tests.disks import small_disk
from workers.trainer.row_store import RowStore, RowWriter, width_of

ROOT = Path(__file__).parents[3]


def key(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def row(number: int, width: int = 3) -> np.ndarray:
    return np.full((1, width), number, dtype=np.float32)


def filled(folder: Path, count: int, width: int = 3) -> RowStore:
    store = RowStore(folder, width)
    with store.writing() as writer:
        for number in range(count):
            writer.add([key(number)], row(number, width))
    return store


def add_until_interrupted(writer: RowWriter) -> None:
    writer.add([key(0)], row(0))
    raise KeyboardInterrupt


def add_all(writer: RowWriter, numbers: range) -> None:
    for number in numbers:
        writer.add([key(number)], row(number, 500))


def assert_holds(store: RowStore, numbers: range) -> None:
    """Exactly these, each under its key."""
    assert len(store) == len(numbers)
    rows = store.find([key(number) for number in numbers])
    np.testing.assert_array_equal(store.array()[rows, 0], list(numbers))


def test_rows_are_found_by_key_and_mapped(tmp_path):
    store = filled(tmp_path, 5)
    assert_holds(store, range(5))
    assert_holds(RowStore(tmp_path, 3), range(5))
    assert store.find([key(3), key(99)]).tolist() == [3, -1]
    assert isinstance(store.array(), np.memmap)
    assert not store.array().flags.writeable


def test_an_empty_store_has_no_rows_and_makes_no_folder(tmp_path):
    store = RowStore(tmp_path / "none", 3)
    assert store.find([key(0)]).tolist() == [-1]
    assert store.find([]).tolist() == []
    assert store.array().shape == (0, 3)
    assert not (tmp_path / "none").exists()


@given(rows=st.integers(0, 4 * 12), keys=st.integers(0, 4 * 32))
@settings(max_examples=60, deadline=None)
def test_wherever_a_write_was_cut_off_whole_rows_stay_and_the_rest_is_written_again(
    tmp_path_factory, rows, keys
):
    """Rows come before their keys, so the rows file is never the shorter one; it is tried too."""
    folder = tmp_path_factory.mktemp("torn")
    filled(folder, 4)
    with (folder / "rows.bin").open("r+b") as file:
        file.truncate(rows)
    with (folder / "keys.bin").open("r+b") as file:
        file.truncate(keys)
    whole = min(rows // 12, keys // 32)
    store = RowStore(folder, 3)
    assert_holds(store, range(whole))
    with store.writing() as writer:
        for number in range(whole, 4):
            writer.add([key(number)], row(number))
    assert_holds(store, range(4))
    assert (folder / "rows.bin").stat().st_size == 4 * 12


def test_what_was_added_before_an_error_is_kept(tmp_path):
    store = RowStore(tmp_path, 3)
    with pytest.raises(KeyboardInterrupt), store.writing() as writer:
        add_until_interrupted(writer)
    assert_holds(store, range(1))


def test_no_rows_can_be_added(tmp_path):
    store = RowStore(tmp_path, 3)
    with store.writing() as writer:
        writer.add([], np.empty((0, 3), np.float32))
    assert_holds(store, range(0))


def test_rows_of_another_width_are_a_mistake(tmp_path):
    store = RowStore(tmp_path, 3)
    with store.writing() as writer, pytest.raises(ValueError, match="do not fit"):
        writer.add([key(0)], row(0, width=4))


WRITE = """
import hashlib, sys
from pathlib import Path
import numpy as np
from workers.trainer.row_store import RowStore
key = lambda number: hashlib.sha256(str(number).encode()).digest()
row = lambda number: np.full((1, 3), number, dtype=np.float32)
store = RowStore(Path(sys.argv[1]), 3)
for first in range(0, int(sys.argv[2]), 100):
    with store.writing() as writer:
        if (store.find([key(first)]) < 0).all():
            for number in range(first, first + 100):
                writer.add([key(number)], row(number))
"""


def writer_process(folder: Path, rows: int) -> subprocess.Popen[bytes]:
    """A process that writes rows 0, 1, 2, ..., a hundred at a time, unless they are there."""
    return subprocess.Popen([sys.executable, "-c", WRITE, str(folder), str(rows)], cwd=ROOT)


def test_killed_writers_leave_whole_rows_and_no_lock(tmp_path):
    for _ in range(3):
        before = len(RowStore(tmp_path, 3))
        process = writer_process(tmp_path, 10_000_000)
        while len(RowStore(tmp_path, 3)) == before:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    store = RowStore(tmp_path, 3)
    assert_holds(store, range(len(store)))
    with store.writing() as writer:
        writer.add([key(len(store))], row(len(store)))
    assert_holds(store, range(len(store)))


def test_processes_that_want_the_same_rows_write_each_once(tmp_path):
    processes = [writer_process(tmp_path, 2_000) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert_holds(RowStore(tmp_path, 3), range(2_000))


def test_on_a_full_disk_what_was_written_is_kept(tmp_path):
    with small_disk(tmp_path / "disk", 2) as disk:
        store = filled(disk.root / "features", 10, width=500)
        disk.fill(leave=20_000)
        with pytest.raises(NoSpace, match="so far are kept"), store.writing() as writer:
            add_all(writer, range(10, 100))
        disk.make_room()
        kept = len(RowStore(disk.root / "features", 500))
        assert 10 <= kept < 30
        with store.writing() as writer:
            add_all(writer, range(kept, 30))
        assert_holds(store, range(30))


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    with small_disk(tmp_path / "disk", 1) as disk:
        disk.make_read_only()
        store = RowStore(disk.root / "features", 3)
        with pytest.raises(SetupError, match="cannot be written"), store.writing():
            pass


def test_forgotten_rows_leave_nothing_and_the_others_stay(tmp_path):
    store = filled(tmp_path, 5)
    store.forget(store.find([key(1), key(3)]))
    for reader in (store, RowStore(tmp_path, 3)):
        assert reader.find([key(n) for n in range(5)]).tolist() == [0, -1, 2, -1, 4]
        assert reader.array()[[0, 2, 4], 0].tolist() == [0, 2, 4]
        assert reader.array()[[1, 3]].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert key(1) not in (tmp_path / "keys.bin").read_bytes()


def test_a_writer_goes_on_while_rows_are_forgotten(tmp_path):
    store = filled(tmp_path, 3)
    with store.writing() as writer:
        writer.add([key(3)], row(3))
        other = RowStore(tmp_path, 3)
        other.forget(other.find([key(0)]))
        writer.add([key(4)], row(4))
    again = RowStore(tmp_path, 3)
    assert again.find([key(n) for n in range(5)]).tolist() == [-1, 1, 2, 3, 4]
    assert again.array()[3:, 0].tolist() == [3, 4]


def test_the_width_of_a_store_is_with_it(tmp_path):
    filled(tmp_path / "store", 1)
    assert (width_of(tmp_path / "store"), width_of(tmp_path)) == (3, None)
