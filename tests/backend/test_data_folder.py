"""One process at a time holds a data folder, and the other one is told which."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from backend.data_folder import hold
from backend.errors import SetupError
from tests.disks import small_disk

HOLDER = """
import sys, time
from pathlib import Path
from backend.data_folder import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other_process(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "home")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_sentence_names_the_process_that_holds_it(tmp_path, other_process):
    expected = f"in use by process {other_process.pid}: stop that one first"
    with pytest.raises(SetupError, match=expected), hold(tmp_path / "home"):
        pass


def test_a_killed_process_holds_nothing(tmp_path, other_process):
    os.kill(other_process.pid, signal.SIGKILL)
    other_process.wait()
    with hold(tmp_path / "home"):
        assert (tmp_path / "home" / ".holder").read_text() == str(os.getpid())


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(SetupError, match=r"cannot be written .*choose another with --home"),
        hold(tmp_path / "file" / "home"),
    ):
        pass


def test_a_folder_of_a_newer_layout_is_told_and_not_even_locked(tmp_path):
    (tmp_path / ".format").write_text("2\n")
    with pytest.raises(SetupError) as told, hold(tmp_path):
        pass
    assert told.value.sentence == (
        f"The data folder {tmp_path} is laid out by a newer version of Akin (format '2', and this "
        "one knows 1): install that version, or start this one on another data folder with --home."
    )
    assert [path.name for path in tmp_path.iterdir()] == [".format"]


@pytest.mark.parametrize("before", [None, "", "1"])
def test_the_layout_is_written_down_once(tmp_path, before):
    """A folder of the first days says nothing; a full disk may have left the file empty."""
    if before is not None:
        (tmp_path / ".format").write_text(before)
    with hold(tmp_path):
        assert (tmp_path / ".format").read_text().strip() == "1"


def test_a_full_disk_is_told(tmp_path):
    with small_disk(tmp_path / "disk", 1) as disk:
        disk.fill()
        with (
            pytest.raises(SetupError, match=r"The disk of the data folder .* is full: make room"),
            hold(disk.root / "home"),
        ):
            pass
