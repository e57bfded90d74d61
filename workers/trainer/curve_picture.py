"""The curves of a run as a picture: the loss above, the figures of its evaluations below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from workers.trainer.curves import read_curves

FILE = "curves.png"
FINE = 2  # drawn so much larger and then reduced: Pillow's lines are jagged
WIDTH, PANEL, LEGEND = FINE * 960, FINE * 300, FINE * 190
LEFT, TOP, BOTTOM = FINE * 64, FINE * 34, FINE * 30
INK, GRID, PALE, PAPER = "#333333", "#e4e4e4", "#b9d3ea", "white"
SMALLEST = 1e-12  # a span below is none
MARKED, SMOOTHED = 60, 100
"""Points of a curve that still get a dot each; and from which on a smooth curve lies over it."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#000000")

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """A curve: its name, and (step, value) points in order."""

    name: str
    points: Sequence[Point]


def draw_curves(folder: Path) -> Path | None:
    """Writes `curves.png` beside `curves.jsonl`; None where there is nothing to draw yet."""
    panels = _panels(folder)
    if not panels:
        return None
    image = Image.new("RGB", (WIDTH, PANEL * len(panels)), PAPER)
    draw = ImageDraw.Draw(image)
    last = max(x for _, series in panels for curve in series for x, _ in curve.points)
    for i, (title, series) in enumerate(panels):
        _panel(draw, PANEL * i, title, series, last)
    aside = folder / f"{FILE}.partial"
    image.reduce(FINE).save(aside, format="PNG")
    return aside.replace(folder / FILE)


def _panels(folder: Path) -> list[tuple[str, list[Series]]]:
    lines = read_curves(folder)
    loss = Series("loss", [(x["step"], x["loss"]) for x in lines if math.isfinite(x["loss"])])
    measured = [(x["step"], x["figures"]) for x in lines if "figures" in x]
    names = dict.fromkeys(name for _, figures in measured for name in figures)
    series = [Series(name, _points(name, measured)) for name in names]
    series = [curve for curve in series if curve.points]
    panels = [("Loss", [loss])] if loss.points else []
    return [*panels, ("Figures", series)] if series else panels


def _points(name: str, measured: Sequence[tuple[int, dict[str, float | None]]]) -> list[Point]:
    values = ((step, figures.get(name)) for step, figures in measured)
    return [(step, value) for step, value in values if value is not None]


def _panel(
    draw: ImageDraw.ImageDraw, top: int, title: str, series: Sequence[Series], last: float
) -> None:
    values = [y for curve in series for _, y in curve.points]
    across, up = ticks(0, last), ticks(min(values), max(values))
    right, low, high = WIDTH - LEGEND, top + PANEL - BOTTOM, top + TOP
    width, height = right - LEFT, low - high

    def at(point: Point) -> Point:
        x = LEFT + width * point[0] / across[-1]
        return x, low - height * (point[1] - up[0]) / (up[-1] - up[0])

    draw.text((LEFT, top + 8 * FINE), title, INK, _font(15))
    for value in up:
        y = at((0, value))[1]
        draw.line([(LEFT, y), (right, y)], GRID, width=FINE)
        draw.text((LEFT - 8 * FINE, y), label(value), INK, _font(12), anchor="rm")
    for value in across:
        x = at((value, 0))[0]
        draw.line([(x, high), (x, low)], GRID, width=FINE)
        draw.text((x, low + 6 * FINE), label(value), INK, _font(12), anchor="ma")
    draw.text((right + 24 * FINE, low + 6 * FINE), "steps", INK, _font(12))
    for i, curve in enumerate(series):
        colour = COLOURS[i % len(COLOURS)]
        if len(curve.points) >= SMOOTHED:
            draw.line([at(p) for p in curve.points], PALE, width=FINE)
        _curve(draw, [at(p) for p in smooth(curve.points)], colour)
        _legend(draw, (right + 12 * FINE, high + 18 * FINE * i), curve, colour)


def smooth(points: Sequence[Point]) -> Sequence[Point]:
    """The mean over a fiftieth of a long curve around each point; a short one as it is."""
    if len(points) < SMOOTHED:
        return points
    reach = len(points) // 100
    values = [y for _, y in points]
    windows = (values[max(0, i - reach) : i + reach + 1] for i in range(len(points)))
    return [(x, sum(part) / len(part)) for (x, _), part in zip(points, windows, strict=True)]


def _curve(draw: ImageDraw.ImageDraw, points: Sequence[Point], colour: str) -> None:
    if len(points) > 1:
        draw.line(list(points), colour, width=2 * FINE, joint="curve")
    if len(points) <= MARKED:
        for x, y in points:
            draw.circle((x, y), 2.5 * FINE, fill=colour)


def _legend(draw: ImageDraw.ImageDraw, at: Point, curve: Series, colour: str) -> None:
    x, y = at
    middle = y + 7 * FINE
    draw.line([(x, middle), (x + 14 * FINE, middle)], colour, width=3 * FINE)
    told = f"{_short(curve.name)}  {curve.points[-1][1]:.4g}"
    draw.text((x + 20 * FINE, y), told, INK, _font(12))


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}…"


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers, evenly spaced, from at or below `low` to at or above `high`."""
    span = high - low or abs(high)
    raw = (span if span > SMALLEST else 1.0) / about
    power = 10.0 ** math.floor(math.log10(raw))
    width = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw)
    first, last = math.floor(low / width), math.ceil(high / width)
    last = max(last, first + 1)
    return [i * width for i in range(first, last + 1)]


def label(value: float) -> str:
    """A number as short as an axis needs it."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if abs(value) >= 1e4 else f"{value:.4g}"


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size * FINE)
