"""A warm process is one like any other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile

import pytest

from tests import warm


@pytest.mark.long
def test_a_command_says_and_ends_as_a_cold_one_does(tmp_path):
    for arguments in (["--help"], ["search", "--colour", "red"], ["jobs", "show"]):
        command = [sys.executable, "-m", "backend.cli", *arguments]
        cold = subprocess.run(command, capture_output=True, text=True, cwd=warm.REPOSITORY)
        hot = warm.run(command, cwd=warm.REPOSITORY)
        assert (hot.returncode, hot.stdout, hot.stderr) == (
            cold.returncode, cold.stdout, cold.stderr
        )  # fmt: skip


def test_it_has_its_own_environment_and_folder(tmp_path):
    tell = "import os; print(os.getcwd(), *os.environ.items())"
    command = [sys.executable, "-m", "timeit", "-n", "1", "-r", "1", tell]
    done = warm.run(command, env={"ONLY": "this"}, cwd=tmp_path)
    assert done.stdout.splitlines()[0] == f"{tmp_path} ('ONLY', 'this')"


def test_signals_reach_it_and_its_end_is_told():
    command = [sys.executable, "-m", "http.server", "0"]
    with tempfile.TemporaryFile() as file:
        process = warm.start(command, stdout=file, stderr=file)
        assert process.poll() is None
        assert os.getpgid(process.pid)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
        process.kill()  # once more, to nobody
