"""The child process of a training: what it says, and how it ends, whoever ends it."""

from __future__ import annotations

import gc
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from tests.workers.training.runs import (
    SMALL,
    ended,
    heard_out,
    tiny_parent,
    train_work,
    write_wardrobe,
)
from workers import training_child, training_process
from workers.training_process import Child, ChildKilled
from workers.training_reports import Reports
from workers.training_spec import Ended, EvaluateWork, ModelSpec, Preparing, Refused, Step


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wardrobe(tmp_path_factory.mktemp("data") / "wardrobe")


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    return tiny_parent(tmp_path_factory.mktemp("models"))


@pytest.fixture
def child() -> Iterator[Child]:
    with Child() as one:
        yield one


@pytest.fixture
def warm_child(warm_children: None) -> Iterator[Child]:
    with Child() as one:
        yield one


LONG = {**SMALL, "epochs": 1_000_000}


@pytest.mark.long
def test_it_trains_and_then_measures_and_tells_what_it_does(child, data, parent, tmp_path):
    said = heard_out(child, train_work(tmp_path, data, parent))
    assert ended(said).stopped == "done"
    assert ended(said).steps == 12
    points = [one for one in said if isinstance(one, Step) and one.point]
    assert [one.step for one in points] == list(range(1, 13))
    assert all(one.steps == 12 and one.loss > 0 for one in points)
    assert "R@10" in points[-1].figures
    prepared = [one for one in said if isinstance(one, Preparing)]
    assert {"Seeing pictures", "Reading captions"} <= {one.what for one in prepared}
    model = tmp_path / "run" / "model"
    assert (model / "composer.safetensors").is_file()

    trained = child_of(os.getpid())
    spec = parent.model_copy(update={"name": "trained", "folder": model})
    said = heard_out(child, evaluate_work(tmp_path, data, spec, parent))
    assert ended(said).stopped == "done"
    assert (tmp_path / "figures.json").is_file()
    assert child_of(os.getpid()) == trained


@pytest.mark.usefixtures("warm_children")
def test_a_refusal_comes_as_its_sentence_and_the_child_stays_until_its_task_ends(parent, tmp_path):
    work = train_work(tmp_path, tmp_path / "nowhere", parent)
    with Child() as child:
        for _ in range(2):
            (said,) = heard_out(child, work)
            assert isinstance(said, Refused)
            assert said.sentence.startswith(f"{tmp_path / 'nowhere'} is not a folder")
            assert not said.passing
        pid = pid_of(child)
    assert not psutil.pid_exists(pid)


def test_it_stops_after_its_step_and_goes_on_when_it_is_asked(warm_child, data, parent, tmp_path):
    work = train_work(tmp_path, data, parent, parameters=LONG)
    asked: list[float] = []
    said = []
    for one in warm_child.do(work, lambda: bool(asked)):
        said += [one] if one else []
        if isinstance(one, Step) and not asked:
            asked.append(time.monotonic())
    assert time.monotonic() - asked[0] < 5
    assert isinstance(said[-1], Ended)
    assert said[-1].stopped == "cancelled"
    assert (tmp_path / "run" / "checkpoint.pt").is_file()

    again = warm_child.do(work, lambda: False)
    assert first_step(again).step > said[-1].steps
    again.close()


def test_one_that_does_not_stop_is_killed(warm_child, data, parent, tmp_path, monkeypatch):
    monkeypatch.setattr(training_process, "GRACE_SECONDS", 0.5)
    work = train_work(tmp_path, data, parent, parameters=LONG)
    deaf: list[int] = []
    for one in warm_child.do(work, lambda: bool(deaf)):
        if isinstance(one, Step) and not deaf:
            deaf.append(pid_of(warm_child))
            os.kill(deaf[0], signal.SIGSTOP)
    assert not psutil.pid_exists(deaf[0])


def test_one_killed_in_the_midst_of_a_work_is_told(warm_child, data, parent, tmp_path):
    said = warm_child.do(train_work(tmp_path, data, parent, parameters=LONG), lambda: False)
    first_step(said)
    os.kill(pid_of(warm_child), signal.SIGKILL)
    with pytest.raises(ChildKilled, match="was ended by signal 9, perhaps for want of memory"):
        list(said)


@pytest.mark.slow
def test_one_killed_between_two_works_is_replaced(child, parent, tmp_path):
    work = train_work(tmp_path, tmp_path / "nowhere", parent)
    heard_out(child, work)
    killed = child_of(os.getpid())
    os.kill(killed, signal.SIGKILL)
    os.waitid(os.P_PID, killed, os.WEXITED | os.WNOWAIT)
    (said,) = heard_out(child, work)
    assert isinstance(said, Refused)
    assert child_of(os.getpid()) != killed


@pytest.mark.long
def test_it_gives_way_and_dies_with_its_parent(data, parent, tmp_path):
    work = train_work(tmp_path, data, parent, parameters=LONG)
    code = (
        "import sys; from workers.training_process import Child\n"
        "from workers.training_spec import WORK\n"
        "for one in Child().do(WORK.validate_json(sys.argv[1]), lambda: False):\n"
        "    print(type(one).__name__, flush=True)\n"
    )
    task = subprocess.Popen(
        [sys.executable, "-c", code, work.model_dump_json()], stdout=subprocess.PIPE, text=True
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


@pytest.mark.long
def test_a_second_child_waits_until_the_first_is_gone(warm_child, data, parent, tmp_path):
    work = train_work(tmp_path, data, parent, parameters=LONG)
    first = warm_child.do(work, lambda: False)
    first_step(first)
    with Child() as other:
        said = other.do(work, lambda: False)
        for _ in range(8):
            assert not isinstance(next(said), Step)
        first.close()
        first_step(said)
        said.close()


@pytest.mark.slow
def test_the_memory_of_a_work_is_given_back(data, parent, tmp_path):
    """Looked at in this process, since nobody else can ask what a child still holds."""

    def held() -> int:
        return sum(issubclass(type(one), torch.Tensor) for one in gc.get_objects())

    class Pipe(io.BytesIO):
        def write(self, line: Any) -> int:
            during.append(held())
            return super().write(line)

    during: list[int] = []
    before = held()
    work = train_work(tmp_path, data, parent)
    assert isinstance(training_child._done(work, Reports(Pipe(), threading.Event())), Ended)
    training_child._give_back()
    assert max(during) > before
    assert held() <= before


def evaluate_work(home: Path, data: Path, model: ModelSpec, active: ModelSpec) -> EvaluateWork:
    return EvaluateWork(
        model=model,
        active=active,
        data=data,
        split="test",
        figures=home / "figures.json",
        cache=home / "features",
        device="cpu",
        threads=1,
    )


def first_step(said: Iterator[object]) -> Step:
    return next(one for one in said if isinstance(one, Step))


def pid_of(child: Child) -> int:
    """A warm one is no child of this process."""
    assert child._process is not None
    return child._process._process.pid


def child_of(pid: int) -> int:
    (child,) = [
        one for one in psutil.Process(pid).children() if "workers.training_child" in one.cmdline()
    ]
    return child.pid
