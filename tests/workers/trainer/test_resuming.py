"""A run that was interrupted, anywhere, ends as one that was not: to the last bit."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from backend import clock
from backend.errors import NoSpace
from tests.disks import small_disk
from tests.workers.trainer.small import Pairs, Regression, options, trained
from workers.trainer import checkpoints
from workers.trainer.curves import read_curves
from workers.trainer.fitting import CHECKPOINT, Line, Outcome, fit

STEPS = 12
ROOT = Path(__file__).parents[3]


def state_of(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / CHECKPOINT, weights_only=True)
    state["progress"].pop("seconds")
    state.pop("generator")
    return state


def assert_same(one: Any, two: Any) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, two)
    elif isinstance(one, dict):
        assert one.keys() == two.keys()
        for key in one:
            assert_same(one[key], two[key])
    elif isinstance(one, list | tuple):
        for a, b in zip(one, two, strict=True):
            assert_same(a, b)
    else:
        assert one == two


def curves_of(folder: Path) -> list[dict[str, Any]]:
    return [{**line, "seconds": 0} for line in read_curves(folder)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pairs, Outcome, Path]:
    folder = tmp_path_factory.mktemp("whole")
    objective = Pairs()
    return objective, trained(objective, folder), folder


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_interrupted_at_any_step_it_ends_the_same(whole, tmp_path, step):
    before, after = Pairs(), Pairs()
    asked = iter(range(STEPS + 1))
    cut = fit(
        before, options(), tmp_path, evaluate=before.recall, cancelled=lambda: next(asked) >= step
    )
    assert (cut.stopped, cut.steps) == (("cancelled", step) if step < STEPS else ("done", STEPS))
    torch.rand(step + 1)  # another process would stand elsewhere
    outcome = trained(after, tmp_path)
    assert outcome.stopped == "done"
    assert (outcome.figures, outcome.best_step) == (whole[1].figures, whole[1].best_step)
    assert_same(dict(after.trained()), dict(whole[0].trained()))
    assert_same(state_of(tmp_path), state_of(whole[2]))
    assert curves_of(tmp_path) == curves_of(whole[2])


class Killed(Exception):
    """Stands for whatever ends a process without a chance to save."""


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_what_was_done_since_the_last_checkpoint_is_done_again_the_same(
    whole, tmp_path, monkeypatch, step
):
    before, after, now = Pairs(), Pairs(), 0.0

    def report(line: Line) -> None:
        nonlocal now
        now += 100
        if line.step == step:
            raise Killed

    monkeypatch.setattr(clock, "monotonic", lambda: now)
    chosen = options(checkpoint_seconds=250)  # every third step
    with pytest.raises(Killed):
        fit(before, chosen, tmp_path, evaluate=before.recall, report=report)
    first = fit(after, chosen, tmp_path, evaluate=after.recall)
    assert (first.figures, first.best_step) == (whole[1].figures, whole[1].best_step)
    assert len(after.loaded) == STEPS - (step - 1) // 3 * 3
    assert_same(state_of(tmp_path), state_of(whole[2]))
    assert curves_of(tmp_path) == curves_of(whole[2])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_it_holds_in_half_precision_with_its_gradient_scale(tmp_path, precision):
    one, before, after = Pairs(), Pairs(), Pairs()
    changed: dict[str, Any] = {"precision": precision, "clip": 1.0, "accumulate": 2}
    trained(one, tmp_path / "whole", **changed)
    asked = iter(range(STEPS))
    cut = options(**changed)
    fit(before, cut, tmp_path / "cut", evaluate=before.recall, cancelled=lambda: next(asked) == 4)
    trained(after, tmp_path / "cut", **changed)
    assert_same(state_of(tmp_path / "cut"), state_of(tmp_path / "whole"))
    assert bool(state_of(tmp_path / "cut")["scaler"]) == (precision == "fp16")


@pytest.mark.parametrize("objective", [Pairs, Regression])
def test_it_holds_for_batches_in_chunks(tmp_path, objective):
    one, before, after = objective(), objective(), objective()
    trained(one, tmp_path / "whole", chunk=2)
    asked = iter(range(STEPS))
    cut = options(chunk=2)
    fit(before, cut, tmp_path / "cut", evaluate=before.recall, cancelled=lambda: next(asked) == 7)
    trained(after, tmp_path / "cut", chunk=2)
    assert_same(state_of(tmp_path / "cut"), state_of(tmp_path / "whole"))


@pytest.mark.parametrize("room", [0, 3_000, 9_000])
def test_a_disk_that_fills_up_stops_the_run_which_goes_on_when_there_is_room(whole, tmp_path, room):
    """A checkpoint of these takes 8 kB, and the best weights 3: either, or a curve, is the first
    that finds none."""
    before, after = Pairs(), Pairs()
    with small_disk(tmp_path / "disk", 1) as disk:
        folder = disk.root / "run"

        def report(line: Line) -> None:
            if line.step == 6:
                disk.fill(leave=room)

        chosen = options(checkpoint_seconds=1e-9)
        with pytest.raises(NoSpace, match=f"{folder} is full"):
            fit(before, chosen, folder, evaluate=before.recall, report=report)
        disk.make_room()
        kept = state_of(folder)["progress"]["step"]
        assert 5 <= kept <= 8
        fit(after, chosen, folder, evaluate=after.recall)
        assert len(after.loaded) == STEPS - kept
        assert_same(state_of(folder), state_of(whole[2]))
        assert curves_of(folder) == curves_of(whole[2])


RUN = """
import sys
from pathlib import Path
from tests.workers.trainer.small import Pairs, options
from workers.trainer.fitting import fit
objective = Pairs()
chosen = options(epochs=15, checkpoint_seconds=1e-9)
fit(objective, chosen, Path(sys.argv[1]), evaluate=objective.recall)
"""


def test_the_curves_are_on_the_disk_before_the_checkpoint_they_lead_to(tmp_path, monkeypatch):
    """Else a kill between the two leaves a gap, since a resumed run tells no step again."""
    seen = []
    save = checkpoints.save

    def watched(path: Path, progress: Any, **parts: Any) -> None:
        seen.append((progress.step, read_curves(path.parent)[-1]["step"]))
        save(path, progress, **parts)

    monkeypatch.setattr(checkpoints, "save", watched)
    trained(Pairs(), tmp_path, checkpoint_seconds=1e-9)
    assert len(seen) >= STEPS
    assert all(step == told for step, told in seen)


@pytest.mark.slow
def test_killed_at_any_moment_the_run_goes_on(tmp_path):
    path = tmp_path / "run" / CHECKPOINT
    for _ in range(2):
        before = path.stat().st_mtime_ns if path.exists() else 0
        process = subprocess.Popen([sys.executable, "-c", RUN, str(path.parent)], cwd=ROOT)
        while process.poll() is None and (not path.exists() or path.stat().st_mtime_ns == before):
            time.sleep(0.005)
        time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
        assert process.wait() in (0, -signal.SIGKILL)
    one, after = Pairs(), Pairs()
    trained(one, tmp_path / "whole", epochs=15)
    trained(after, path.parent, epochs=15)
    assert_same(state_of(path.parent), state_of(tmp_path / "whole"))
    assert curves_of(path.parent) == curves_of(tmp_path / "whole")
    assert len(list(path.parent.glob("best-*.pt"))) == 1
