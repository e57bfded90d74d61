"""A run on the terminal: how far, how fast, how long still, and what it reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from workers.trainer.objective import Line


@contextmanager
def progress_bar(
    console: Console | None = None, title: str = "Training"
) -> Iterator[Callable[[Line], None]]:
    """What `fit` reports to: a bar with rate, loss and time left, and a line an evaluation."""
    shown = console or Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[loss]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=shown) as bar:
        task = bar.add_task(title, total=None, visible=False, rate="", loss="", left="")

        def report(line: Line) -> None:
            bar.update(
                task,
                visible=True,
                total=line.steps,
                completed=line.step,
                rate=rate_of(line.rate),
                loss=f"loss {line.loss:.4f}",
                left=left_of(line),
            )
            if line.figures:
                bar.console.print(figures_of(line), highlight=False)

        yield report


def rate_of(rate: float) -> str:
    """Steps a second, or seconds a step where one takes longer."""
    if rate <= 0:
        return ""
    return f"{rate:.1f} steps/s" if rate >= 1 else f"{1 / rate:.1f} s/step"


def left_of(line: Line) -> str:
    """How long the steps to come take at the rate of those of this process: a resumed run begins
    in the middle, which a bar's own estimate takes for speed."""
    if line.rate <= 0:
        return ""
    return f"{timedelta(seconds=round((line.steps - line.step) / line.rate))} left"


def figures_of(line: Line) -> str:
    """An evaluation in one line."""
    told = "  ".join(f"{name} {value:.2f}" for name, value in line.figures.items())
    return f"epoch {line.epoch:.1f}  step {line.step:,}  {told}"
