"""How tees, long-sleeved tops, shirts, jackets and dresses are cut."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from workers.datasets.wardrobe.garments import Garment
from workers.datasets.wardrobe.outlines import Cloth, Corner, Flat, Sketch, Stroke, disc, trace

_TOP = 0.16
_NECKS = {  # half width and depth of the opening
    "crew": (0.088, 0.055),
    "v-neck": (0.092, 0.17),
    "scoop": (0.125, 0.13),
    "square": (0.098, 0.125),
    "turtleneck": (0.075, 0.02),
    "hood": (0.1, 0.075),
    "collar": (0.08, 0.06),
    "stand-up": (0.08, 0.03),
}
_HEMS = {"cropped": 0.54, "regular": 0.74, "long": 0.94}
_DRESS_HEMS = {"mini": 0.66, "knee-length": 0.83, "maxi": 1.05}
_METAL = (196, 198, 204)


@dataclass(frozen=True)
class _Cut:
    """Half widths at shoulder, underarm and hem, and the height of the hem."""

    shoulder: float
    chest: float
    hem: float
    length: float
    underarm: float = 0.37


def top(garment: Garment, rng: Random) -> Sketch:
    """A tee, longsleeve, shirt or jacket."""
    wide = {"outwear": 0.03, "shirt": 0.012}.get(garment.category, 0.0)
    bare = garment.sleeves == "sleeveless"
    shoulder = 0.152 if bare and not wide else 0.2 + wide * 0.5
    loose = rng.uniform(-0.012, 0.012)
    hem = _HEMS[str(garment.length)] + rng.uniform(-0.012, 0.012)
    cut = _Cut(shoulder, 0.182 + wide + loose, 0.188 + wide + loose, hem)
    sketch = Sketch(logo=(0.0, 0.432, 0.07))
    _behind_neck(sketch, garment)
    _sleeves(sketch, garment, cut, rng)
    sketch.add(Cloth(_body(garment, cut)))
    _armholes(sketch, cut, bare)
    {"shirt": _shirt_front, "outwear": _jacket_front}.get(garment.category, _knit_front)(
        sketch, garment, cut
    )
    _neck(sketch, garment)
    return sketch


def dress(garment: Garment, rng: Random) -> Sketch:
    """A dress with a seam at the waist and a flared skirt."""
    hem = _DRESS_HEMS[str(garment.length)]
    shoulder = 0.14 if garment.sleeves == "sleeveless" else 0.175
    flare = 0.17 + (hem - 0.45) * rng.uniform(0.24, 0.34)
    cut = _Cut(shoulder, 0.155, flare, hem, 0.33)
    sketch = Sketch()
    _behind_neck(sketch, garment)
    _sleeves(sketch, garment, cut, rng)
    waist = 0.125
    right = [
        *_neck_corners(garment),
        (shoulder, _TOP + 0.045, 0.1 if garment.sleeves == "sleeveless" else -0.06),
        (cut.chest, cut.underarm, 0.04),
        (waist, 0.45, -0.05),
        (flare, hem, -0.03),
        (0.0, hem + 0.025, 0.0),
    ]
    sketch.add(Cloth(_closed(right)))
    _armholes(sketch, cut, garment.sleeves == "sleeveless")
    sketch.add(Stroke(trace([(-waist, 0.45, 0.03), (waist, 0.45, 0.0)]), 0.7, 0.008))
    for share in (-0.62, -0.25, 0.12, 0.55):
        foot = (share * flare, hem - rng.uniform(0.02, 0.1))
        head = (share * waist * 0.9, 0.46)
        sketch.add(Stroke(trace([(*head, 0.02), (*foot, 0.0)]), 0.84, 0.007))
    sketch.add(
        Stroke(trace([(-flare * 0.98, hem - 0.025, 0.025), (flare * 0.98, hem - 0.025, 0.0)]), 0.8)
    )
    _neck(sketch, garment)
    return sketch


def _closed(right: list[Corner]) -> list[tuple[float, float]]:
    half = trace(right)
    return half + [(-x, y) for x, y in half[::-1]]


def _neck_corners(garment: Garment) -> list[Corner]:
    """The right half of the opening, from its lowest point up to the shoulder."""
    width, depth = _NECKS[str(garment.neckline)]
    if garment.neckline == "square":
        return [
            (0.0, _TOP + depth, 0.0),
            (width * 0.92, _TOP + depth, 0.0),
            (width, _TOP, 0.0),
        ]
    bow = 0.0 if garment.neckline == "v-neck" else 0.23
    return [(0.0, _TOP + depth, bow), (width, _TOP, 0.0)]


def _body(garment: Garment, cut: _Cut) -> list[tuple[float, float]]:
    tail = 0.055 if garment.category == "shirt" else 0.0
    armhole = 0.1 if garment.sleeves == "sleeveless" else -0.06
    right = [
        *_neck_corners(garment),
        (cut.shoulder, _TOP + 0.045, armhole),
        (cut.chest, cut.underarm, 0.012),
        (cut.hem, cut.length - tail, -0.016 - tail),
        (0.0, cut.length + 0.012, 0.0),
    ]
    return _closed(right)


def _behind_neck(sketch: Sketch, garment: Garment) -> None:
    """What shows through the opening: the inside of the back, or of a hood."""
    width, depth = _NECKS[str(garment.neckline)]
    if garment.neckline == "hood":
        outer = [(0.0, 0.0, -0.19), (0.145, 0.12, -0.1), (0.125, 0.22, 0.0), (0.0, 0.26, 0.0)]
        sketch.add(Cloth(_closed(outer), tone=0.96))
        inner = [(0.0, 0.045, -0.22), (0.085, 0.135, -0.14), (0.0, 0.235, 0.0)]
        sketch.add(Flat(_closed(inner), 0.5))
        return
    low = _TOP + depth + 0.01
    back = [
        (0.0, _TOP + 0.014, -0.02),
        (width, _TOP, 0.0),
        (width * 0.95, low, 0.0),
        (0.0, low, 0.0),
    ]
    sketch.add(Flat(_closed(back), 0.55))


def _sleeves(sketch: Sketch, garment: Garment, cut: _Cut, rng: Random) -> None:
    if garment.sleeves == "sleeveless":
        return
    swing = rng.uniform(-0.025, 0.025)
    tip, pit = (cut.shoulder - 0.02, _TOP + 0.038), (cut.chest - 0.01, cut.underarm)
    if garment.sleeves == "short":
        far, near = (cut.shoulder + 0.13 + swing, 0.335), (cut.shoulder + 0.055 + swing, 0.405)
        corners = [(*tip, -0.07), (*far, 0.04), (*near, 0.03), (*pit, 0.0)]
        turn = 35.0
    else:
        end = 0.735
        out = cut.shoulder + 0.145 + swing * 2
        far, near = (out, end), (out - 0.085, end + 0.012)
        corners = [(*tip, -0.085), (*far, 0.04), (*near, 0.03), (*pit, 0.0)]
        turn = 14.0
    sketch.add_both(Cloth(trace(corners, closed=True), turn, 0.955))
    inset = 0.055 if garment.sleeves == "long" else 0.022
    _cuffs(sketch, garment, far, near, tip, inset)


def _cuffs(
    sketch: Sketch,
    garment: Garment,
    far: tuple[float, float],
    near: tuple[float, float],
    tip: tuple[float, float],
    inset: float,
) -> None:
    """A seam above the end of the sleeve; ribs or a button where there is a real cuff."""
    dx, dy = tip[0] - (far[0] + near[0]) / 2, tip[1] - (far[1] + near[1]) / 2
    length = (dx * dx + dy * dy) ** 0.5
    ux, uy = dx / length * inset, dy / length * inset
    upper_far, upper_near = (far[0] + ux, far[1] + uy), (near[0] + ux, near[1] + uy)
    if garment.sleeves == "long" and garment.category != "dress":
        sketch.add_both(Flat([far, near, upper_near, upper_far], 0.86))
    sketch.add_both(Stroke([upper_far, upper_near], 0.72, 0.005))


def _armholes(sketch: Sketch, cut: _Cut, bare: bool) -> None:
    bow = 0.1 if bare else -0.06
    seam = trace([(cut.shoulder, _TOP + 0.045, bow), (cut.chest, cut.underarm, 0.0)])
    sketch.add_both(Stroke(seam, 0.78, 0.011 if bare else 0.005))


def _neck(sketch: Sketch, garment: Garment) -> None:
    """Ribs, collars and bands about the opening, drawn over the body."""
    if garment.neckline == "collar":
        flap = [(0.0, 0.235, 0.0), (0.045, 0.32, 0.0), (0.135, 0.235, 0.05), (0.088, 0.13, 0.05)]
        inside = [(0.0, 0.15, 0.0), (0.086, 0.13, 0.0), (0.0, 0.235, 0.0)]
        sketch.add(Flat(_closed(inside), 0.55))
        sketch.add_both(Cloth(trace(flap, closed=True), 30.0, 1.0))
        sketch.add_both(Stroke(trace([*flap, flap[0]]), 0.66, 0.006))
    elif garment.neckline == "turtleneck":
        roll = [(0.0, 0.065, 0.0), (0.066, 0.07, 0.05), (0.078, 0.175, 0.0), (0.0, 0.2, 0.0)]
        sketch.add(Cloth(_closed(roll), tone=0.98))
        sketch.add(Stroke(trace([(-0.078, 0.175, 0.09), (0.078, 0.175, 0.0)]), 0.68, 0.007))
        sketch.add(Stroke(trace([(-0.07, 0.115, 0.06), (0.07, 0.115, 0.0)]), 0.75, 0.006))
    elif garment.neckline == "stand-up":
        band = [(0.0, 0.165, 0.0), (0.022, 0.17, 0.0), (0.075, 0.12, 0.0), (0.094, 0.165, 0.1)]
        sketch.add_both(Cloth(trace([*band, (0.0, 0.225, 0.0)], closed=True), tone=0.97))
        sketch.add_both(Stroke(trace([*band, (0.0, 0.225, 0.0)]), 0.66, 0.006))
    elif garment.neckline == "hood":
        sketch.add_both(Stroke(trace([(0.0, 0.24, 0.0), (0.1, 0.165, 0.0)]), 0.66, 0.009))
        sketch.add_both(Stroke([(0.03, 0.235), (0.034, 0.33)], 1.0, 0.007, (236, 234, 228)))
    else:
        rim = trace(_neck_corners(garment))
        sketch.add_both(Stroke(rim, 0.82, 0.02))
        sketch.add_both(Stroke([(x * 1.1, y + 0.013) for x, y in rim], 0.7, 0.004))


def _knit_front(sketch: Sketch, garment: Garment, cut: _Cut) -> None:
    """A hem seam, and the front pocket of a hooded top."""
    y = cut.length - 0.024
    sketch.add(Stroke(trace([(-cut.hem, y, 0.012), (cut.hem, y, 0.0)]), 0.76, 0.005))
    if garment.neckline == "hood":
        low = cut.length - 0.05
        pocket = [
            (0.0, low - 0.1, 0),
            (0.075, low - 0.1, 0),
            (0.115, low - 0.03, 0),
            (0.115, low, 0),
        ]
        sketch.add_both(Stroke(trace([*pocket, (0.0, low, 0.0)]), 0.72, 0.006))


def _shirt_front(sketch: Sketch, garment: Garment, cut: _Cut) -> None:
    """A button placket and a breast pocket."""
    low = cut.length
    sketch.add_both(Stroke([(0.018, 0.22), (0.018, low)], 0.76, 0.004))
    y = 0.27
    while y < low - 0.03:
        sketch.add(Flat(disc(0.0, y, 0.0105), 1.0, (244, 242, 236)))
        sketch.add(Stroke(disc(0.0, y, 0.0105), 0.6, 0.003))
        y += 0.085
    pocket = [(0.06, 0.34), (0.06, 0.425), (0.0975, 0.445), (0.135, 0.425), (0.135, 0.34)]
    sketch.add(Stroke([*pocket, pocket[0]], 0.72, 0.005))


def _jacket_front(sketch: Sketch, garment: Garment, cut: _Cut) -> None:
    """A zip, slanted pockets and a waistband; a sleeveless one is quilted."""
    low = cut.length
    sketch.add(Stroke([(0.0, 0.23), (0.0, low)], 0.5, 0.018))
    sketch.add(Stroke([(0.0, 0.23), (0.0, low)], 1.0, 0.006, _METAL))
    sketch.add(Flat(disc(0.0, 0.275, 0.012), 1.0, _METAL))
    y = min(low - 0.22, 0.56)
    sketch.add_both(Stroke([(0.085, y + 0.1), (0.125, y)], 0.52, 0.012))
    band = trace([(-cut.hem, low - 0.035, 0.012), (cut.hem, low - 0.035, 0.0)])
    sketch.add(Stroke(band, 0.62, 0.007))
    if garment.sleeves == "sleeveless":
        for step in range(1, 8):
            row = 0.2 + step * 0.075
            if row < low - 0.05:
                sketch.add_both(Stroke(trace([(0.012, row, -0.03), (0.2, row, 0.0)]), 0.74, 0.006))
