"""What a run shows on the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from workers.trainer.objective import Line
from workers.trainer.progress import progress_bar, rate_of


def shown(*lines: Line) -> str:
    """All that a terminal of 120 columns was sent."""
    console = Console(file=io.StringIO(), force_terminal=True, width=120, no_color=True)
    with progress_bar(console, title="Combiner") as report:
        for line in lines:
            report(line)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_it_shows_how_far_how_fast_and_how_long_still():
    text = shown(Line(30, 120, 7.5, 0.12345, 1e-3, 15.0, 2.0))
    last = text.splitlines()[-2]
    assert "Combiner" in last
    assert "30/120" in last
    assert "2.0 steps/s" in last
    assert "loss 0.1235" in last
    assert "0:00:45 left" in last


def test_a_finished_run_has_no_time_left():
    assert "0:00:00 left" in shown(Line(120, 120, 30.0, 0.1, 0.0, 60.0, 2.0))


def test_each_evaluation_is_a_line_that_stays():
    figures = {"recall_at_10": 53.25, "mrr": 0.5}
    text = shown(Line(1_200, 4_000, 3.0, 0.5, 1e-3, 9.0, 4.0, figures))
    assert "epoch 3.0  step 1,200  recall_at_10 53.25  mrr 0.50" in text


@pytest.mark.parametrize(
    ("rate", "told"), [(12.34, "12.3 steps/s"), (0.25, "4.0 s/step"), (0.0, "")]
)
def test_slow_steps_are_told_in_seconds_a_step(rate, told):
    assert rate_of(rate) == told
