"""A supervised child is started again when it dies, and never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from backend.supervision import SupervisedChild

# A child that ends with its standard input, as ui.serve does.
CHILD = "import sys; open(sys.argv[1], 'a').write('started\\n'); sys.stdin.read()"
PARENT = """
import os, sys, time
from backend.supervision import SupervisedChild
child = SupervisedChild("child", [sys.executable, "-c", sys.argv[1], sys.argv[2]], os.environ)
child.start()
time.sleep(60)
"""


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def starts(path):
    return path.read_text().count("started") if path.exists() else 0


@pytest.fixture
def child(tmp_path):
    made = SupervisedChild(
        "child", [sys.executable, "-c", CHILD, str(tmp_path / "log")], os.environ
    )
    made.start()
    assert wait_for(lambda: starts(tmp_path / "log") == 1)
    yield made
    made.stop()


def children():
    return [process for process in psutil.Process().children() if CHILD in process.cmdline()]


def test_it_is_started_again_when_it_dies(child, tmp_path):
    children()[0].kill()
    assert wait_for(lambda: starts(tmp_path / "log") == 2)


def test_stop_ends_it_for_good(child, tmp_path):
    child.stop()
    assert wait_for(lambda: not children())
    assert starts(tmp_path / "log") == 1


def test_it_dies_with_a_killed_parent(tmp_path):
    log = tmp_path / "log"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD, str(log)])
    assert wait_for(lambda: starts(log) == 1)
    grandchild = psutil.Process(parent.pid).children()[0]
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert wait_for(lambda: not grandchild.is_running())
