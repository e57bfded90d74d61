"""Curves as data and as a picture."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from workers.trainer.curve_picture import COLOURS, draw_curves, label, smooth, ticks
from workers.trainer.curves import FILE, POINTS, Curves, read_curves
from workers.trainer.objective import Figures, Line


def line(step: int, loss: float = 1.0, figures: Figures | None = None) -> Line:
    return Line(step, 10_000, step / 100, loss, 0.1, 2.0 * step, 0.5, figures or {})


def written(folder: Path, lines: list[Line], steps: int) -> list[dict[str, object]]:
    curves = Curves(folder, steps)
    curves.open(0)
    for told in lines:
        curves.add(told)
    curves.close()
    return read_curves(folder)


def test_a_short_run_has_a_line_a_step(tmp_path):
    found = written(tmp_path, [line(1, 0.5), line(2, 0.25, {"recall": 7.5})], steps=2)
    assert found == [
        {"step": 1, "epoch": 0.01, "loss": 0.5, "lr": 0.1, "seconds": 2.0},
        {
            "step": 2, "epoch": 0.02, "loss": 0.25, "lr": 0.1, "seconds": 4.0,
            "figures": {"recall": 7.5},
        },
    ]  # fmt: skip


def test_a_long_run_has_the_mean_loss_of_several_steps_a_line(tmp_path):
    steps = 3 * POINTS
    lines = [line(step, loss=step) for step in range(1, 8)]
    lines[4] = line(5, loss=5, figures={"recall": 1.0})
    found = written(tmp_path, lines, steps)
    assert [(x["step"], x["loss"]) for x in found] == [(3, 2.0), (5, 4.5), (6, 6.0)]


def test_figures_that_are_no_numbers_are_null_in_the_file(tmp_path):
    written(tmp_path, [line(1, figures={"recall": math.nan, "r10": 2.0})], steps=2)
    text = (tmp_path / FILE).read_text()
    assert json.loads(text, parse_constant=pytest.fail)["figures"] == {"recall": None, "r10": 2.0}


def test_what_stands_behind_the_checkpoint_is_cut_off_with_a_line_cut_in_two(tmp_path):
    written(tmp_path, [line(step) for step in range(1, 7)], steps=10)
    path = tmp_path / FILE
    path.write_text(path.read_text()[:-20])
    curves = Curves(tmp_path, 10)
    curves.open(3)
    curves.add(line(4, loss=9.0))
    curves.close()
    assert [(x["step"], x["loss"]) for x in read_curves(tmp_path)] == [
        (1, 1.0), (2, 1.0), (3, 1.0), (4, 9.0),
    ]  # fmt: skip


def test_a_run_without_curves_has_none(tmp_path):
    assert read_curves(tmp_path) == []
    assert draw_curves(tmp_path) is None


def colours_of(path: Path) -> set[str]:
    pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
    return {f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.unique(pixels, axis=0)}


def test_the_picture_shows_the_loss_and_every_figure(tmp_path):
    lines = [
        line(step, 5 / step, {"recall": float(step), "r10": 2.0 * step}) for step in range(1, 9)
    ]
    written(tmp_path, lines, steps=8)
    path = draw_curves(tmp_path)
    assert path is not None
    assert path == tmp_path / "curves.png"
    assert Image.open(path).size == (960, 600)
    assert set(COLOURS[:2]) <= colours_of(path)
    assert COLOURS[2] not in colours_of(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [FILE, "curves.png"]


@pytest.mark.parametrize(
    "lines",
    [
        [line(1)],
        [line(1, figures={"recall": 0.0})],
        [line(step, 0.0) for step in range(1, 4)],
        [line(1, figures={"recall": math.nan})],
        [line(step, 1e9 * step, {"recall": -1e-9}) for step in range(1, 4)],
        [line(1, figures={f"a long name of figure {n}": float(n) for n in range(20)})],
    ],
)
def test_curves_of_any_kind_can_be_drawn(tmp_path, lines):
    written(tmp_path, lines, steps=4)
    path = draw_curves(tmp_path)
    assert path is not None
    assert COLOURS[0] in colours_of(path)


def test_a_long_curve_is_smoothed_and_a_short_one_shown_as_it_is():
    wobbling = [(float(x), float(x % 2)) for x in range(1000)]
    assert smooth(wobbling[:50]) == wobbling[:50]
    smoothed = smooth(wobbling)
    assert [x for x, _ in smoothed] == [x for x, _ in wobbling]
    assert all(abs(y - 0.5) < 0.06 for _, y in smoothed[10:-10])


@given(
    low=st.floats(-1e6, 1e6),
    span=st.one_of(st.just(0.0), st.floats(1e-3, 1e6)),
)
@settings(max_examples=200, deadline=None)
@example(low=5e-324, span=0.0)
def test_ticks_are_round_even_and_enclose_what_is_drawn(low, span):
    found = ticks(low, low + span)
    tolerance = 1e-6 * max(abs(low), span, 1e-3)
    assert found[0] <= low + tolerance
    assert found[-1] >= low + span - tolerance
    assert 2 <= len(found) <= 9
    assert np.diff(found) == pytest.approx(found[1] - found[0], rel=1e-3)


def test_numbers_on_an_axis_are_short():
    assert [label(x) for x in (0, 0.25, 12.5, 1000, 20_000, 2_500_000)] == [
        "0", "0.25", "12.5", "1000", "20k", "2.5M",
    ]  # fmt: skip
