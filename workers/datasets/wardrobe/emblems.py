"""The logos, as outlines about the origin within a circle of radius one."""

from __future__ import annotations

from math import cos, pi, sin

from workers.datasets.wardrobe.outlines import Point, trace


def _star() -> list[Point]:
    return [
        ((1.05 if index % 2 == 0 else 0.44) * sin(index * pi / 5),
         -(1.05 if index % 2 == 0 else 0.44) * cos(index * pi / 5))
        for index in range(10)
    ]  # fmt: skip


def _ring() -> list[Point]:
    turns = [index * pi / 12 for index in range(25)]
    outer = [(cos(turn), sin(turn)) for turn in turns]
    return outer + [(0.52 * cos(turn), 0.52 * sin(turn)) for turn in reversed(turns)]


def _moon() -> list[Point]:
    outer = [(0.95 * cos(a), 0.95 * sin(a)) for a in (pi / 4 + i * pi / 12 for i in range(19))]
    return outer + trace([(0.67, -0.67, 0.38), (0.67, 0.67, 0.0)])


def _heart() -> list[Point]:
    turns = [index * pi / 14 for index in range(28)]
    return [
        (0.062 * 16 * sin(t) ** 3,
         -0.062 * (13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t)) - 0.08)
        for t in turns
    ]  # fmt: skip


EMBLEMS: dict[str, list[Point]] = {
    "star": _star(),
    "heart": _heart(),
    "lightning": [
        (0.25, -1.1),
        (-0.6, 0.15),
        (-0.08, 0.15),
        (-0.25, 1.1),
        (0.62, -0.25),
        (0.08, -0.25),
    ],
    "circle": _ring(),
    "diamond": [(0.0, -1.1), (0.72, 0.0), (0.0, 1.1), (-0.72, 0.0)],
    "moon": _moon(),
}
