"""The child process of a training: what it says, and how it ends, whoever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.workers.training.runs import (
    SMALL,
    ended,
    run_to_its_end,
    tiny_parent,
    train_work,
    write_wardrobe,
    write_work,
)
from workers import training_process
from workers.training_process import ChildKilled, reports_of
from workers.training_spec import Ended, ModelSpec, Preparing, Refused, Step


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wardrobe(tmp_path_factory.mktemp("data") / "wardrobe")


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    return tiny_parent(tmp_path_factory.mktemp("models"))


LONG = {**SMALL, "epochs": 1_000_000}


def test_it_tells_what_it_does_and_leaves_a_model(data, parent, tmp_path):
    said = run_to_its_end(write_work(tmp_path, train_work(tmp_path, data, parent)))
    assert ended(said).stopped == "done"
    assert ended(said).steps == 12
    points = [one for one in said if isinstance(one, Step) and one.point]
    assert [one.step for one in points] == list(range(1, 13))
    assert all(one.steps == 12 and one.loss > 0 for one in points)
    assert "R@10" in points[-1].figures
    prepared = [one for one in said if isinstance(one, Preparing)]
    assert {"Seeing pictures", "Reading captions"} <= {one.what for one in prepared}
    assert (tmp_path / "run" / "model" / "composer.safetensors").is_file()


def test_a_refusal_comes_as_its_sentence(parent, tmp_path):
    work = train_work(tmp_path, tmp_path / "nowhere", parent)
    (said,) = run_to_its_end(write_work(tmp_path, work))
    assert isinstance(said, Refused)
    assert said.sentence.startswith(f"{tmp_path / 'nowhere'} is not a folder")
    assert not said.passing


def test_it_stops_after_its_step_when_it_is_asked(data, parent, tmp_path):
    work = train_work(tmp_path, data, parent, parameters=LONG)
    asked: list[float] = []

    def stopping() -> bool:
        return bool(asked)

    said = []
    for one in reports_of(write_work(tmp_path, work), stopping):
        said += [one] if one else []
        if isinstance(one, Step) and not asked:
            asked.append(time.monotonic())
    assert time.monotonic() - asked[0] < 5
    assert isinstance(said[-1], Ended)
    assert said[-1].stopped == "cancelled"
    assert (tmp_path / "run" / "checkpoint.pt").is_file()


def test_one_that_does_not_stop_is_killed(data, parent, tmp_path, monkeypatch):
    monkeypatch.setattr(training_process, "GRACE_SECONDS", 0.5)
    work = write_work(tmp_path, train_work(tmp_path, data, parent, parameters=LONG))
    deaf: list[int] = []
    for one in reports_of(work, lambda: bool(deaf)):
        if isinstance(one, Step) and not deaf:
            deaf.append(child_of(os.getpid()))
            os.kill(deaf[0], signal.SIGSTOP)
    assert not psutil.pid_exists(deaf[0])


def test_one_killed_from_outside_is_told(data, parent, tmp_path):
    work = write_work(tmp_path, train_work(tmp_path, data, parent, parameters=LONG))
    said = reports_of(work, lambda: False)
    while not isinstance(next(said), Step):
        pass
    os.kill(child_of(os.getpid()), signal.SIGKILL)
    with pytest.raises(ChildKilled, match="was ended by signal 9, perhaps for want of memory"):
        list(said)


def test_it_gives_way_and_dies_with_its_parent(data, parent, tmp_path):
    work = write_work(tmp_path, train_work(tmp_path, data, parent, parameters=LONG))
    code = (
        "import sys, pathlib; from workers.training_process import reports_of\n"
        "for one in reports_of(pathlib.Path(sys.argv[1]), lambda: False):\n"
        "    print(type(one).__name__, flush=True)\n"
    )
    task = subprocess.Popen(
        [sys.executable, "-c", code, str(work)], stdout=subprocess.PIPE, text=True
    )
    assert task.stdout is not None
    while task.stdout.readline() != "Step\n":
        assert task.poll() is None
    child = psutil.Process(child_of(task.pid))
    assert child.nice() - psutil.Process(task.pid).nice() == 10
    task.kill()
    task.wait()
    task.stdout.close()
    child.wait(5)


def test_a_second_child_waits_for_the_first_to_end(data, parent, tmp_path):
    work = write_work(tmp_path, train_work(tmp_path, data, parent, parameters=LONG))
    first = reports_of(work, lambda: False)
    while not isinstance(next(first), Step):
        pass
    other = reports_of(work, lambda: False)
    for _ in range(8):
        assert not isinstance(next(other), Step)
    first.close()
    assert any(isinstance(next(other), Step) for _ in range(1_000))
    other.close()


def child_of(pid: int) -> int:
    (child,) = [
        one for one in psutil.Process(pid).children() if "workers.training_child" in one.cmdline()
    ]
    return child.pid
