"""How trousers, shorts, skirts, shoes and hats are cut."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from workers.datasets.wardrobe.garments import Garment
from workers.datasets.wardrobe.outlines import (
    Cloth,
    Corner,
    Flat,
    Point,
    Sketch,
    Stroke,
    disc,
    symmetric,
    trace,
)

_LEGS = {"cropped": 0.7, "full-length": 0.97}
_SHORT_LEGS = {"mini": 0.47, "knee-length": 0.7}
_SKIRTS = {"mini": 0.47, "knee-length": 0.68, "maxi": 0.98}
_SHAFTS = {"low-top": 0.5, "high-top": 0.36, "knee-high": 0.04}
_BRIMS = {"narrow brim": 0.29, "wide brim": 0.45}
_SOLE = (240, 238, 232)
_RUBBER = (58, 50, 46)

_Placing = Callable[[list[Corner]], list[Corner]]


def pants(garment: Garment, rng: Random) -> Sketch:
    """Trousers, seen from the front."""
    hem = _LEGS[str(garment.length)]
    flare = rng.uniform(-0.02, 0.02)
    leg: list[Corner] = [
        (0.0, 0.07, 0.0),
        (0.142, 0.07, -0.03),
        (0.19, 0.3, 0.0),
        (0.185 + flare, hem, 0.02),
        (0.062 - flare, hem + 0.008, 0.0),
        (0.0, 0.37, 0.0),
    ]
    sketch = Sketch(logo=(0.108, 0.47, 0.062))
    _trousers(sketch, leg, 0.142, 0.07)
    sketch.add_both(Stroke([(0.115, 0.36), (0.122 + flare / 2, hem - 0.03)], 0.86, 0.006))
    _leg_hems(sketch, (0.185 + flare, 0.062 - flare), hem)
    return sketch


def shorts(garment: Garment, rng: Random) -> Sketch:
    """Shorts: wider in the leg than trousers."""
    hem = _SHORT_LEGS[str(garment.length)]
    flare = rng.uniform(-0.015, 0.02) + (hem - 0.47) * 0.1
    leg: list[Corner] = [
        (0.0, 0.14, 0.0),
        (0.18, 0.14, -0.02),
        (0.245 + flare, hem, 0.02),
        (0.03, hem + 0.015, 0.0),
        (0.0, 0.4, 0.0),
    ]
    sketch = Sketch(logo=(0.128, hem - 0.11, 0.066))
    _trousers(sketch, leg, 0.18, 0.14)
    _leg_hems(sketch, (0.245 + flare, 0.03), hem)
    sketch.add_both(Stroke([(0.014, 0.2), (0.03, 0.3)], 1.0, 0.008, _SOLE))
    return sketch


def skirt(garment: Garment, rng: Random) -> Sketch:
    """A flared skirt with a waistband and folds."""
    hem = _SKIRTS[str(garment.length)]
    waist = 0.128
    foot = 0.2 + (hem - 0.3) * rng.uniform(0.2, 0.32)
    right: list[Corner] = [
        (0.0, 0.1, 0.0),
        (waist, 0.1, -0.04),
        (foot, hem, -0.03),
        (0.0, hem + 0.028, 0.0),
    ]
    sketch = Sketch()
    sketch.add(Cloth(symmetric(right)))
    for share in (-0.7, -0.4, -0.1, 0.2, 0.5, 0.78):
        low = hem - rng.uniform(0.0, 0.06)
        fold: list[Corner] = [(share * waist, 0.16, 0.02), (share * foot, low, 0.0)]
        sketch.add(Stroke(trace(fold), 0.83, 0.008))
    sketch.add(
        Stroke(
            trace([(-foot * 0.98, hem - 0.022, 0.03), (foot * 0.98, hem - 0.022, 0.0)]), 0.78, 0.005
        )
    )
    _waistband(sketch, waist, 0.1)
    return sketch


def shoes(garment: Garment, rng: Random) -> Sketch:
    """A pair from the side, one behind the other."""
    sketch = Sketch(logo=(-0.14, 0.655, 0.06))
    boots = garment.length == "knee-high"
    if boots:
        sketch.logo = (-0.15, 0.3, 0.07)
    _shoe(sketch, str(garment.length), 0.085 + rng.uniform(-0.02, 0.02), -0.06, 0.84)
    _shoe(sketch, str(garment.length), 0.0, 0.02, 1.0)
    return sketch


def hat(garment: Garment, rng: Random) -> Sketch:
    """A bobble hat, or a hat with a narrow or a wide brim."""
    sketch = Sketch(logo=(0.0, 0.42, 0.082))
    if garment.length == "brimless":
        _beanie(sketch)
    else:
        _brimmed(sketch, _BRIMS[str(garment.length)], rng)
    return sketch


def _trousers(sketch: Sketch, leg: list[Corner], waist: float, top: float) -> None:
    sketch.add_both(Cloth(trace(leg, closed=True)))
    crotch = leg[-1][1]
    sketch.add(Stroke([(0.0, top + 0.04), (0.0, crotch)], 0.66, 0.006))
    fly = trace([(0.032, top + 0.045, 0.0), (0.032, crotch - 0.1, 0.12), (0.0, crotch - 0.05, 0.0)])
    sketch.add(Stroke(fly, 0.74, 0.005))
    pocket = trace([(waist - 0.045, top + 0.045, -0.1), (waist + 0.03, top + 0.15, 0.0)])
    sketch.add_both(Stroke(pocket, 0.66, 0.007))
    _waistband(sketch, waist, top)
    sketch.add(Flat(disc(0.0, top + 0.02, 0.012), 1.0, (200, 186, 150)))


def _waistband(sketch: Sketch, waist: float, top: float) -> None:
    band: list[Corner] = [
        (0.0, top, 0.0),
        (waist, top, 0.0),
        (waist + 0.007, top + 0.042, 0.0),
        (0.0, top + 0.046, 0.0),
    ]
    sketch.add(Flat(symmetric(band), 0.84))
    sketch.add(Stroke([(-waist - 0.007, top + 0.042), (waist + 0.007, top + 0.042)], 0.62, 0.006))
    sketch.add_both(Flat([(0.08, top), (0.094, top), (0.094, top + 0.05), (0.08, top + 0.05)], 0.7))


def _leg_hems(sketch: Sketch, sides: tuple[float, float], hem: float) -> None:
    outer, inner = sides
    sketch.add_both(Stroke([(outer, hem - 0.028), (inner, hem - 0.022)], 0.72, 0.006))


def _shoe(sketch: Sketch, shaft: str, dx: float, dy: float, tone: float) -> None:
    top = _SHAFTS[shaft]
    boots = shaft == "knee-high"
    throat = -0.07 if boots else -0.09

    def at(corners: list[Corner]) -> list[Corner]:
        return [(x + dx, y + dy, bow) for x, y, bow in corners]

    upper: list[Corner] = [
        (-0.345, 0.775, 0.06),
        (-0.32 if not boots else -0.335, top, 0.06 if not boots else 0.02),
        (throat, top + 0.01, 0.08),
        (throat + 0.03, 0.56, 0.06),
        (0.15, 0.65, -0.26),
        (0.325, 0.775, 0.0),
    ]
    sketch.add(Cloth(trace(at(upper), closed=True), 0.0, tone))
    sole: list[Corner] = [
        (-0.36, 0.765, 0.0),
        (0.335, 0.765, -0.3),
        (0.3, 0.825, 0.0),
        (-0.335, 0.825, -0.3),
    ]
    sketch.add(Flat(trace(at(sole), closed=True), 1.0, _RUBBER if boots else _SOLE))
    sketch.add(Stroke(trace(at([(-0.35, 0.767, 0.0), (0.32, 0.767, 0.0)])), 0.6 * tone, 0.006))
    _shoe_details(sketch, at, top, throat, boots)


def _shoe_details(sketch: Sketch, at: _Placing, top: float, throat: float, boots: bool) -> None:
    collar = trace(at([(-0.32, top + 0.025, 0.06), (throat, top + 0.035, 0.0)]))
    sketch.add(Stroke(collar, 0.6, 0.018))
    toe = trace(at([(0.2, 0.77, -0.2), (0.2, 0.665, 0.0)]))
    sketch.add(Stroke(toe, 0.66, 0.007))
    heel = trace(at([(-0.245, 0.77, -0.08), (-0.255, 0.6, 0.08), (-0.325, 0.57, 0.0)]))
    sketch.add(Stroke(heel, 0.7, 0.006))
    if boots:
        zipper = trace(at([(throat - 0.03, top + 0.05, 0.01), (throat, 0.7, 0.0)]))
        sketch.add(Stroke(zipper, 0.62, 0.007))
        return
    steps = 4 if top > 0.45 else 6
    for step in range(steps):
        share = step / (steps - 1)
        x, y = throat + share * 0.2, top + 0.06 + share * 0.07
        if top < 0.45:
            x, y = (throat - 0.005 + share * 0.2, top + 0.07 + share * 0.225)
        sketch.add(
            Stroke(trace(at([(x - 0.055, y + 0.05, 0.0), (x + 0.02, y, 0.0)])), 1.0, 0.011, _SOLE)
        )


def _beanie(sketch: Sketch) -> None:
    sketch.add(Cloth(_bobble(0.0, 0.13, 0.085), tone=0.95))
    dome: list[Corner] = [(0.0, 0.18, -0.27), (0.3, 0.6, 0.0), (0.3, 0.68, 0.0), (0.0, 0.69, 0.0)]
    sketch.add(Cloth(symmetric(dome)))
    for share in (0.25, 0.55, 0.82):
        rib: list[Corner] = [(share * 0.1, 0.21, -0.14), (share * 0.3, 0.62, 0.0)]
        sketch.add_both(Stroke(trace(rib), 0.88, 0.006))
    cuff: list[Corner] = [
        (0.0, 0.6, 0.0),
        (0.3, 0.585, -0.15),
        (0.305, 0.755, 0.02),
        (0.0, 0.775, 0.0),
    ]
    sketch.add(Flat(symmetric(cuff), 0.82))
    for step in range(8):
        x = 0.02 + step * 0.038
        sketch.add_both(Stroke([(x, 0.6), (x, 0.765)], 0.7, 0.006))


def _bobble(x: float, y: float, radius: float) -> list[Point]:
    """A woolly ball: a circle with a ragged edge."""
    ragged = [1.06 if index % 2 else 0.96 for index in range(32)]
    ball = disc(0.0, 0.0, radius)
    return [(x + px * r, y + py * r) for (px, py), r in zip(ball, ragged, strict=True)]


def _brimmed(sketch: Sketch, brim: float, rng: Random) -> None:
    crown, y = 0.2, 0.66
    slope = rng.uniform(0.27, 0.33)
    sketch.add(Cloth(disc(0.0, y, brim, slope), tone=0.93))
    sketch.add(Stroke(disc(0.0, y, brim * 0.94, slope * 0.92), 0.8, 0.004))
    shade = disc(0.0, y + 0.012, crown * 1.12, 0.3)
    sketch.add(Flat(shade, 0.6))
    dome: list[Corner] = [
        (0.0, 0.25, -0.05),
        (crown * 0.62, 0.29, -0.12),
        (crown, y, -0.07),
        (0.0, y + 0.055, 0.0),
    ]
    sketch.add(Cloth(symmetric(dome)))
    sketch.add(Stroke(trace([(-0.1, 0.3, 0.1), (0.1, 0.3, 0.0)]), 0.8, 0.007))
    band: list[Corner] = [
        (0.0, y - 0.025, 0.07),
        (crown * 0.97, y - 0.08, 0.0),
        (crown, y, -0.07),
        (0.0, y + 0.055, 0.0),
    ]
    sketch.add(Flat(symmetric(band), 0.45))
