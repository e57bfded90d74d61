"""The one training loop of all recipes: resumable to the last bit, cancellable at every step.

A recipe writes an `Objective`, a small object that bundles model, data and loss, says how to train
it in `FitOptions`, and calls `fit`. All of a Combiner's training, say (Baldrati et al. 2022):

    @dataclass
    class CombinerObjective:
        network: Combiner
        images: Tensor          # (images, dim) cached features of the frozen tower
        texts: Tensor           # (triplets, dim)
        references: Rows        # (triplets,) rows of `images`
        targets: Rows
        in_batch = True         # rows are one another's negatives

        @property
        def count(self) -> int:
            return len(self.texts)

        def trained(self) -> Mapping[str, Tensor]:
            return dict(self.network.named_parameters())

        def train_mode(self) -> None:
            self.network.train()

        def load(self, rows: Rows, epoch: int) -> Rows:
            return rows         # all is in memory; where pictures are decoded, it is done here

        def encode(self, rows: Rows) -> tuple[Tensor, ...]:
            references = self.images[self.references[rows]]
            return self.network(references, self.texts[rows]), self.images[self.targets[rows]]

        def loss(self, features: tuple[Tensor, ...]) -> Tensor:
            queries, targets = features
            return in_batch_loss(queries, normalize(targets, dim=-1), scale=100)

        def facts(self) -> Mapping[str, Any]:
            return {"data": self.data_hash, "fingerprint": self.fingerprint}

    options = FitOptions(batch=4096, epochs=300, optimiser="adam", lr=2e-5, weight_decay=0.0,
                         select="average_recall")
    with progress_bar() as report:
        outcome = fit(objective, options, out, evaluate=recall, report=report)
    if outcome.stopped in ("done", "early"):
        write_artefact(out / "model", card, objective.network.state_dict())

A text tower against a bank of frozen features is the same with `in_batch = False` and a loss that
is a mean over rows; towers trained from pixels decode in `load` (`loaders` threads do it ahead)
and are cut with `chunk` where a batch does not fit into memory; under torchrun the recipe runs in
`with team() as processes:` and passes `team=processes`.

In `folder` lie, besides, `checkpoint.pt` with the whole of the run, `best-STEP.pt` with the
weights chosen so far, `curves.jsonl` and `curves.png`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from workers.trainer.checkpoints import CHECKPOINT, full_disk_told
from workers.trainer.distributed import ALONE, Team
from workers.trainer.objective import Figures, Line, Objective, Outcome
from workers.trainer.options import FitOptions
from workers.trainer.run import Diverged, Run

__all__ = ["CHECKPOINT", "Diverged", "FitOptions", "Line", "Objective", "Outcome", "fit"]

Batch = TypeVar("Batch")


def fit(
    objective: Objective[Batch],
    options: FitOptions,
    folder: Path,
    *,
    evaluate: Callable[[], Figures] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    report: Callable[[Line], None] = lambda line: None,
    team: Team = ALONE,
) -> Outcome:
    """Trains from the checkpoint in `folder`, if there is one, to the end of the run or segment.

    evaluate: figures of the weights as they are, higher being better where `options.select` names
    one; called in the leading process alone. cancelled: asked before every step. report: told
    after every step, in the leading process alone.

    Raises:
        InvalidInput: without data, for a batch larger than the data, a checkpoint that is damaged
            or belongs to another run, and a figure to select by that is not among those measured.
        Diverged: where the loss or a weight is not a number any more.
        NoSpace: where the disk is full; the checkpoint that was there is kept.
    """
    run = Run(objective, options, folder, team)
    with full_disk_told(folder), run.opened():
        return run.train(evaluate, cancelled, report)
