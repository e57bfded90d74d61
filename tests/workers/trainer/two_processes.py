"""What each of two processes does in the tests of `distributed`; started by torchrun."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tests.workers.trainer.small import Pairs, Regression, options
from workers.trainer.distributed import Team, team
from workers.trainer.fitting import Line, fit
from workers.trainer.order import Order
from workers.trainer.updating import Updates

CASES: dict[str, tuple[type[Pairs], dict[str, Any]]] = {
    "contrastive": (Pairs, {"batch": 10}),
    "contrastive in chunks": (Pairs, {"batch": 10, "chunk": 2}),
    "contrastive, accumulated": (Pairs, {"batch": 4, "accumulate": 2, "chunk": 1, "clip": 0.01}),
    "independent rows": (Regression, {"batch": 10}),
    "independent rows in chunks": (Regression, {"batch": 10, "chunk": 2}),
}
# Which steps overflow fp16 and are left out can differ from those of one process.
HALF: dict[str, tuple[type[Pairs], dict[str, Any]]] = {
    "contrastive in fp16": (Pairs, {"batch": 10, "precision": "fp16"}),
}


class WithTemperature(Pairs):
    """One of its trained parameters takes no part in `encode`, as CLIP's temperature does not."""

    def __init__(self) -> None:
        super().__init__(dropout=0.0)
        self.temperature = nn.Parameter(torch.ones(()))

    def trained(self) -> dict[str, Tensor]:
        return {**super().trained(), "temperature": self.temperature}


def updates_of(case: str, processes: Team) -> dict[str, Any]:
    """Losses of three updates, the gradients of the last and the weights after it."""
    kind, changed = (CASES | HALF)[case]
    objective, chosen = kind(dropout=0.0), options(**changed)
    order = Order(objective.count, chosen.batch, 0)
    updates = Updates(objective, chosen, order, 12, processes)
    losses = [updates.make(step, updates.load(step)) for step in range(3)]
    return {
        "losses": losses,
        "gradients": [p.grad for p in updates.parameters],
        "weights": [p.detach() for p in updates.parameters],
    }


def runs(folder: Path, processes: Team) -> dict[str, Any]:
    """Two whole runs: one cancelled by the leader alone, and one to its end."""
    told: list[Line] = []
    before, after = WithTemperature(), WithTemperature()
    cut = fit(
        before,
        options(batch=10),
        folder,
        evaluate=before.recall,
        cancelled=lambda: processes.leads and len(told) == 3,
        report=told.append,
        team=processes,
    )
    outcome = fit(after, options(batch=10), folder, evaluate=after.recall, team=processes)
    return {
        "cut": (cut.stopped, cut.steps),
        "told": len(told),
        "figures": dict(outcome.figures),
        "weights": [p.detach() for p in after.trained().values()],
    }


def main(folder: Path) -> None:
    with team("cpu") as processes:
        found: dict[str, Any] = {case: updates_of(case, processes) for case in CASES | HALF}
        found["runs"] = runs(folder / "run", processes)
        found["gathered"] = processes.gathered((torch.full((2, 1), processes.rank),))[0]
        torch.save(found, folder / f"rank{processes.rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
