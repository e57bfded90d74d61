"""Points and curves: the pencil the garments are sketched with.

Coordinates are in picture widths: x from -0.5 to 0.5 about the middle, y from 0 (top) to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import cos, pi, sin

Point = tuple[float, float]
# A corner and how much the edge from it to the next one bows, in parts of the edge's length.
Corner = tuple[float, float, float]

_STEPS = 8


def trace(corners: Sequence[Corner], closed: bool = False) -> list[Point]:
    """The corners joined by straight or bowed edges (quadratic Bézier curves), as points."""
    ends = [*corners, corners[0]] if closed else list(corners)
    points: list[Point] = []
    for (x0, y0, bow), (x1, y1, _) in pairwise(ends):
        points.append((x0, y0))
        if bow:
            points += _bowed((x0, y0), (x1, y1), bow)
    return points if closed else [*points, ends[-1][:2]]


def _bowed(start: Point, end: Point, bow: float) -> list[Point]:
    (x0, y0), (x1, y1) = start, end
    cx = (x0 + x1) / 2 - (y1 - y0) * bow * 2
    cy = (y0 + y1) / 2 + (x1 - x0) * bow * 2
    found = []
    for step in range(1, _STEPS):
        t = step / _STEPS
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t * t
        found.append((a * x0 + b * cx + c * x1, a * y0 + b * cy + c * y1))
    return found


def mirrored(points: Sequence[Point]) -> list[Point]:
    """The same points on the other side of the middle line."""
    return [(-x, y) for x, y in points]


def symmetric(half: Sequence[Corner]) -> list[Point]:
    """A closed outline from its right half, given from top middle to bottom middle."""
    right = trace(half)
    return right + mirrored(right[::-1])


@dataclass(frozen=True)
class Cloth:
    """A piece cut from the fabric, its pattern turned by `turn` degrees, its light by `tone`."""

    points: list[Point]
    turn: float = 0.0
    tone: float = 1.0


@dataclass(frozen=True)
class Flat:
    """A piece in one colour: the fabric's own times `tone`, or a fixed one such as a sole's."""

    points: list[Point]
    tone: float = 0.6
    colour: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Stroke:
    """A seam, hem, lace or zip: a line of a width."""

    points: list[Point]
    tone: float = 0.72
    width: float = 0.006
    colour: tuple[int, int, int] | None = None


@dataclass
class Sketch:
    """A garment in pieces, in drawing order, and where a logo would sit: x, y, radius."""

    marks: list[Cloth | Flat | Stroke] = field(default_factory=list)
    logo: tuple[float, float, float] = (0.0, 0.5, 0.07)

    def add(self, *marks: Cloth | Flat | Stroke) -> None:
        """Draw these on top of what is there."""
        self.marks += marks

    def add_both(self, mark: Cloth | Flat | Stroke) -> None:
        """Draw this mark and its mirror image."""
        self.marks.append(mark)
        other = mirrored(mark.points)
        if isinstance(mark, Cloth):
            self.marks.append(Cloth(other, -mark.turn, mark.tone))
        elif isinstance(mark, Flat):
            self.marks.append(Flat(other, mark.tone, mark.colour))
        else:
            self.marks.append(Stroke(other, mark.tone, mark.width, mark.colour))


def disc(x: float, y: float, radius: float, squash: float = 1.0) -> list[Point]:
    """A circle, or an ellipse `squash` times as high as wide, as points."""
    return [(x + radius * px, y + radius * squash * py) for px, py in _CIRCLE]


_CIRCLE = [(cos(index * pi / 16), sin(index * pi / 16)) for index in range(32)]
