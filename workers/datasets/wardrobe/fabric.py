"""Fabrics: for each pattern a picture of how much accent colour there is, 0 to 255."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import cos, pi, sin
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

# A cloth is 1.6 picture widths across, drawn twice as fine and reduced.
SPAN = 1.6
_DOTS_A_UNIT = 900


@cache
def fabric(pattern: str, fineness: int = 1) -> Image.Image:
    """The cloth of a pattern, greyscale; each step of `fineness` halves its sides."""
    if fineness:
        return fabric(pattern, fineness - 1).reduce(2)
    side = int(SPAN * _DOTS_A_UNIT)
    cloth = Image.new("L", (side, side), 0)
    _PAINTERS[pattern](cloth)
    return cloth


def _px(units: float) -> float:
    return units * _DOTS_A_UNIT


def _stripes(cloth: Image.Image) -> None:
    draw, period = ImageDraw.Draw(cloth), _px(0.08)
    for row in range(int(cloth.height / period) + 1):
        draw.rectangle((0, row * period, cloth.width, row * period + period * 0.38), fill=255)


def _vertical_stripes(cloth: Image.Image) -> None:
    draw, period = ImageDraw.Draw(cloth), _px(0.062)
    for column in range(int(cloth.width / period) + 1):
        left = column * period
        draw.rectangle((left, 0, left + period * 0.4, cloth.height), fill=255)


def _checks(cloth: Image.Image) -> None:
    """Tartan: broad half-tone bands, full where they cross, and a thin line between."""
    across = np.zeros(cloth.width, np.float32)
    period = _px(0.13)
    phase = (np.arange(cloth.width) % period) / period
    across[phase < 0.45] = 0.5
    line = (np.abs(phase - 0.72) < 0.035).astype(np.float32) * 0.8
    both = across[:, None] + across[None, :]
    both = np.maximum(both, np.maximum(line[:, None], line[None, :]))
    cloth.paste(Image.fromarray((both * 255).clip(0, 255).astype(np.uint8)))


def _scattered(cloth: Image.Image, step: float, paint: Callable[[float, float, int], None]) -> None:
    """Call `paint(x, y, index)` on a brick-wise grid of this step, in picture widths."""
    index = 0
    pitch = _px(step)
    for row in range(-1, int(cloth.height / pitch) + 2):
        for column in range(-1, int(cloth.width / pitch) + 2):
            paint((column + 0.5 * (row % 2)) * pitch, row * pitch * 0.88, index)
            index += 1


def _dots(cloth: Image.Image) -> None:
    draw, radius = ImageDraw.Draw(cloth), _px(0.021)

    def dot(x: float, y: float, index: int) -> None:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)

    _scattered(cloth, 0.083, dot)


def _flowers(cloth: Image.Image) -> None:
    draw, rng = ImageDraw.Draw(cloth), Random(4)

    def flower(x: float, y: float, index: int) -> None:
        x, y = x + rng.uniform(-0.02, 0.02) * _px(1), y + rng.uniform(-0.02, 0.02) * _px(1)
        size, turn = _px(rng.uniform(0.017, 0.026)), rng.uniform(0, pi)
        for side in (2.1, 2.9):
            lx, ly = x + size * side * cos(turn + side), y + size * side * sin(turn + side)
            draw.ellipse(
                (lx - size * 0.5, ly - size * 0.5, lx + size * 0.5, ly + size * 0.5), fill=120
            )
        for petal in range(5):
            angle = turn + petal * 2 * pi / 5
            px, py = x + size * 1.05 * cos(angle), y + size * 1.05 * sin(angle)
            draw.ellipse(
                (px - size * 0.85, py - size * 0.85, px + size * 0.85, py + size * 0.85), fill=255
            )
        draw.ellipse((x - size * 0.55, y - size * 0.55, x + size * 0.55, y + size * 0.55), fill=70)

    _scattered(cloth, 0.135, flower)


def _zigzag(cloth: Image.Image) -> None:
    draw, period, teeth = ImageDraw.Draw(cloth), _px(0.1), _px(0.05)
    height = _px(0.055)
    for row in range(-1, int(cloth.height / period) + 2):
        points = [
            (index * teeth, row * period + (height if index % 2 else 0.0))
            for index in range(int(cloth.width / teeth) + 2)
        ]
        draw.line(points, fill=255, width=int(_px(0.035)), joint="curve")


def _noise(cloth: Image.Image, grain: float, seed: int) -> np.ndarray:
    cells = int(SPAN / grain)
    rough = np.random.default_rng(seed).integers(0, 256, (cells, cells), dtype=np.uint8)
    smooth = Image.fromarray(rough).resize(cloth.size, Image.Resampling.BICUBIC)
    return np.asarray(smooth, np.float32)


def _camouflage(cloth: Image.Image) -> None:
    first, second = _noise(cloth, 0.055, 1), _noise(cloth, 0.05, 2)
    shade = np.where(first > 142, 255, 0)
    shade = np.where(second > 150, 120, shade)
    soft = Image.fromarray(shade.astype(np.uint8)).filter(ImageFilter.GaussianBlur(2))
    cloth.paste(soft)


def _colour_block(cloth: Image.Image) -> None:
    ImageDraw.Draw(cloth).rectangle((0, cloth.height // 2, cloth.width, cloth.height), fill=255)


def _leopard(cloth: Image.Image) -> None:
    """Rosettes: broken rings about a half-tone heart."""
    draw, rng = ImageDraw.Draw(cloth), Random(9)

    def rosette(x: float, y: float, index: int) -> None:
        x, y = x + rng.uniform(-0.012, 0.012) * _px(1), y + rng.uniform(-0.012, 0.012) * _px(1)
        wide, high = _px(rng.uniform(0.017, 0.025)), _px(rng.uniform(0.014, 0.02))
        box = (x - wide, y - high, x + wide, y + high)
        draw.ellipse(box, fill=110)
        start = rng.uniform(0, 360)
        for piece in range(3):
            begin = start + piece * 120
            draw.arc(box, begin, begin + rng.uniform(75, 105), fill=255, width=int(_px(0.011)))

    _scattered(cloth, 0.062, rosette)


_PAINTERS: dict[str, Callable[[Image.Image], None]] = {
    "striped": _stripes,
    "vertical stripes": _vertical_stripes,
    "checked": _checks,
    "polka dots": _dots,
    "floral": _flowers,
    "zigzag": _zigzag,
    "camouflage": _camouflage,
    "colour-block": _colour_block,
    "leopard": _leopard,
}
