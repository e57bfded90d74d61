"""How long, how fast and how carefully a run trains."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from backend.errors import InvalidInput
from workers.trainer.precision import PrecisionKind
from workers.trainer.schedules import ScheduleKind

LONGEST_SEGMENT = 600.0  # seconds: what a lost worker may cost (DESIGN, The four journeys)

OptimiserKind = Literal["adam", "adamw"]
# What makes no other run of it when it is resumed.
_FREE = frozenset({"chunk", "loaders", "checkpoint_seconds", "segment_seconds"})


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """Everything about a run but its data and its model; published values are the recipes' affair.

    Attributes:
        batch: examples in a batch, over all processes together.
        epochs, steps: the length, one of the two; a step is one update of the weights.
        accumulate: batches whose gradients are averaged in one update. In-batch negatives stay
            within a batch.
        chunk: examples that go through the towers at a time, where a whole batch has no room in
            memory. Loss and gradients are those of the whole batch (`gradient_cache`).
        lr: the learning rate, after `warmup` steps of linear rise and before a `schedule` that
            ends at zero.
        undecayed: parameters whose name contains one of these do not decay.
        clip: the norm that gradients are cut to, if any.
        evaluate_every: counted in epochs if the length is, else in steps; the end is always
            measured.
        select: the figure whose highest value chooses the weights that are kept; without it the
            last ones are.
        start_counts: the weights that a run starts from may be chosen too, so that a stage which
            goes on from a trained model never ends below it.
        patience: evaluations without a better figure after which the run stops early.
        loaders: threads that load the batches to come; 0 loads each when it is needed.
        checkpoint_seconds: between two checkpoints, at most ten minutes.
        segment_seconds: after so long `fit` saves and returns, to be called again.

    Raises InvalidInput, which names the option, for values that make no sense.
    """

    batch: int
    lr: float
    epochs: int | None = None
    steps: int | None = None
    accumulate: int = 1
    chunk: int | None = None
    optimiser: OptimiserKind = "adamw"
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    undecayed: tuple[str, ...] = ()
    schedule: ScheduleKind = "constant"
    warmup: int = 0
    clip: float | None = None
    precision: PrecisionKind = "auto"
    seed: int = 0
    evaluate_every: int = 1
    select: str | None = None
    start_counts: bool = False
    patience: int | None = None
    loaders: int = 0
    checkpoint_seconds: float = 300.0
    segment_seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            raise InvalidInput(
                "The length of a run is given either in epochs or in steps: give one."
            )
        if self.patience is not None and self.select is None:
            raise InvalidInput("To stop early, name with select the figure that is to improve.")
        for name in (
            "batch",
            "epochs",
            "steps",
            "accumulate",
            "chunk",
            "evaluate_every",
            "patience",
        ):
            _refuse(name, getattr(self, name), at_least=1)
        for name in ("loaders", "warmup", "seed", "weight_decay"):
            _refuse(name, getattr(self, name), at_least=0)
        for name in ("lr", "eps", "clip", "checkpoint_seconds", "segment_seconds"):
            _refuse(name, getattr(self, name), above=0)
        if self.checkpoint_seconds > LONGEST_SEGMENT:
            raise InvalidInput(
                f"The option checkpoint_seconds is {self.checkpoint_seconds:g}: at most "
                f"{LONGEST_SEGMENT:g} may lie between two checkpoints."
            )

    def facts(self) -> dict[str, Any]:
        """What a checkpoint must agree on to be of the same run. At a constant learning rate the
        length is no part of it: such a run can be made longer."""
        free = _FREE | ({"epochs", "steps"} if self.schedule == "constant" else set())
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if name not in free
        }


def _refuse(
    name: str, value: float | None, at_least: float | None = None, above: float | None = None
) -> None:
    if value is None:
        return
    if at_least is not None and not value >= at_least:
        raise InvalidInput(f"The option {name} is {value}: it must be at least {at_least}.")
    if above is not None and not value > above:
        raise InvalidInput(f"The option {name} is {value}: it must be above {above}.")
