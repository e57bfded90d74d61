"""Two real processes on gloo do together what one does on the whole batch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend.errors import InvalidInput, SetupError
from tests.workers.trainer.small import options
from tests.workers.trainer.two_processes import CASES, HALF, WithTemperature, updates_of
from workers.trainer.distributed import ALONE, Team, team
from workers.trainer.fitting import CHECKPOINT, fit

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes under torchrun left behind."""
    folder = tmp_path_factory.mktemp("two")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    script = ["-m", "tests.workers.trainer.two_processes", str(folder)]
    subprocess.run([*torchrun, *script], cwd=ROOT, check=True, timeout=280)
    return folder


@pytest.fixture(scope="module")
def ranks(folder: Path) -> list[dict[str, Any]]:
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_processes_have_the_loss_and_gradients_of_one_on_the_whole_batch(ranks, case):
    alone = updates_of(case, ALONE)
    for rank in ranks:
        assert rank[case]["losses"] == pytest.approx(alone["losses"], rel=1e-5)
        for name in ("gradients", "weights"):
            for found, expected in zip(rank[case][name], alone[name], strict=True):
                torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_both_processes_hold_the_same_weights_to_the_last_bit(ranks):
    for case in (*CASES, *HALF, "runs"):
        for one, two in zip(*(rank[case]["weights"] for rank in ranks), strict=True):
            assert torch.equal(one, two)


@pytest.mark.slow
def test_shares_come_together_in_the_order_of_the_batch(ranks):
    assert [rank["gathered"].flatten().tolist() for rank in ranks] == 2 * [[0, 0, 1, 1]]


@pytest.mark.slow
def test_the_leader_decides_evaluates_and_reports(ranks):
    assert [rank["runs"]["cut"] for rank in ranks] == 2 * [("cancelled", 3)]
    assert [rank["runs"]["told"] for rank in ranks] == [3, 0]
    assert ranks[0]["runs"]["figures"] == ranks[1]["runs"]["figures"]


@pytest.mark.slow
def test_a_whole_run_of_two_is_that_of_one(ranks, tmp_path):
    objective = WithTemperature()
    outcome = fit(objective, options(batch=10), tmp_path, evaluate=objective.recall)
    assert outcome.figures == pytest.approx(ranks[0]["runs"]["figures"])
    for found, expected in zip(
        ranks[0]["runs"]["weights"], objective.trained().values(), strict=True
    ):
        torch.testing.assert_close(found, expected.detach(), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_one_process_can_take_up_the_run_of_two(folder, ranks):
    assert (folder / "run" / CHECKPOINT).is_file()
    objective = WithTemperature()
    outcome = fit(objective, options(batch=10), folder / "run", evaluate=objective.recall)
    assert outcome.stopped == "done"
    assert dict(outcome.figures) == ranks[0]["runs"]["figures"]


def test_a_batch_that_cannot_be_shared_evenly_is_told():
    with pytest.raises(InvalidInput, match="batch of 5 cannot be shared evenly by 2 processes"):
        Team(rank=1, size=2).share(np.arange(5))
    assert Team(rank=1, size=2).share(np.arange(6)).tolist() == [3, 4, 5]


def test_more_processes_than_gpus_are_told(monkeypatch):
    count = torch.cuda.device_count()
    monkeypatch.setenv("WORLD_SIZE", str(count + 2))
    monkeypatch.setenv("LOCAL_RANK", str(count + 1))
    with (
        pytest.raises(SetupError, match=f"there are {count} GPUs: start one for each"),
        team("cuda"),
    ):
        pass


def test_without_torchrun_there_is_one_process():
    with team("cpu") as processes:
        assert processes == ALONE
        assert processes.leads
        assert processes.agree("what it says") == "what it says"
        assert processes.mean(torch.tensor(3.0)).item() == 3.0
