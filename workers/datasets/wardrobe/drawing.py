"""Garments as product pictures: cut, cloth, light and background, all from one seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import cos, log2, radians, sin
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from workers.datasets.wardrobe.attributes import COLOURS, Rgb
from workers.datasets.wardrobe.bottoms import hat, pants, shoes, shorts, skirt
from workers.datasets.wardrobe.emblems import EMBLEMS
from workers.datasets.wardrobe.fabric import SPAN, fabric
from workers.datasets.wardrobe.garments import Garment
from workers.datasets.wardrobe.outlines import Cloth, Flat, Point, Sketch, Stroke, disc
from workers.datasets.wardrobe.tops import dress, top

_CUTTERS: dict[str, Callable[[Garment, Random], Sketch]] = {
    "dress": dress,
    "hat": hat,
    "longsleeve": top,
    "outwear": top,
    "pants": pants,
    "shirt": top,
    "shoes": shoes,
    "shorts": shorts,
    "skirt": skirt,
    "t-shirt": top,
}

# Walls of a small photo studio.
_BACKGROUNDS: tuple[Rgb, ...] = (
    (236, 236, 236),
    (240, 236, 230),
    (230, 235, 240),
    (242, 232, 228),
    (232, 238, 230),
    (236, 231, 240),
    (226, 226, 228),
    (244, 240, 226),
)

_OVERSAMPLING = 2


@dataclass(frozen=True)
class _Pose:
    """From sketch coordinates to pixels of the oversampled canvas."""

    scale: float
    turn: float
    dx: float
    dy: float
    middle: float

    def place(self, points: Iterable[Point]) -> list[Point]:
        c, s = cos(self.turn) * self.scale, sin(self.turn) * self.scale
        dx, dy, middle = self.dx, self.dy, self.middle
        return [(c * x - s * (y - middle) + dx, s * x + c * (y - middle) + dy) for x, y in points]


@dataclass(frozen=True)
class _Paint:
    """The colours and the cloth of one picture."""

    colour: Rgb
    accent: Rgb
    pattern: str
    offset: Point
    zoom: float


@dataclass(frozen=True)
class _Canvas:
    """A picture in the making: colours, how light falls on them, and where there is garment."""

    colour: Image.Image
    shade: Image.Image
    mask: Image.Image
    colour_pen: ImageDraw.ImageDraw
    shade_pen: ImageDraw.ImageDraw
    mask_pen: ImageDraw.ImageDraw

    @classmethod
    def blank(cls, side: int, colour: Rgb) -> _Canvas:
        """All of the fabric's colour, so that no edge shines through, and nothing cut out yet."""
        layers = (
            Image.new("RGB", (side, side), colour),
            Image.new("L", (side, side), 255),
            Image.new("L", (side, side), 0),
        )
        return cls(*layers, *(ImageDraw.Draw(layer) for layer in layers))

    def reduced(self) -> tuple[Image.Image, Image.Image, Image.Image]:
        """Colour, shade and mask in the size of the picture, their edges smoothed by it."""
        colour, shade, mask = (
            layer.reduce(_OVERSAMPLING) for layer in (self.colour, self.shade, self.mask)
        )
        return colour, shade, mask


def draw(garment: Garment, seed: int, size: int = 112) -> Image.Image:
    """The product picture of a garment: RGB, `size` by `size` pixels, the same for one seed."""
    rng = Random(seed)
    sketch = _CUTTERS[garment.category](garment, rng)
    pose = _pose(sketch, size * _OVERSAMPLING, rng)
    paint = _paint(garment, rng)
    canvas = _Canvas.blank(size * _OVERSAMPLING, paint.colour)
    for mark in sketch.marks:
        _draw_mark(canvas, mark, pose, paint)
    if garment.logo not in (None, "none"):
        _emblem(canvas, sketch, pose, paint, str(garment.logo))
    return _photograph(canvas.reduced(), rng)


def _pose(sketch: Sketch, canvas: int, rng: Random) -> _Pose:
    ys = [y for mark in sketch.marks for _, y in mark.points]
    widest = max(x for mark in sketch.marks for x, _ in mark.points)
    # Small garments are photographed closer, yet a long one still looks longer than a short one.
    closer = (0.9 / max(2 * widest, max(ys) - min(ys))) ** 0.65
    scale, turn = canvas * rng.uniform(0.84, 0.95) * closer, radians(rng.gauss(0, 2.5))
    return _Pose(
        scale=scale,
        turn=turn,
        dx=canvas * (0.5 + rng.uniform(-0.025, 0.025)),
        dy=canvas * (0.5 + rng.uniform(-0.02, 0.02)),
        middle=(min(ys) + max(ys)) / 2,
    )


def _paint(garment: Garment, rng: Random) -> _Paint:
    light = rng.uniform(0.93, 1.05)
    tint = [rng.uniform(-5, 5) for _ in range(3)]
    accent = COLOURS[garment.accent] if garment.accent else (0, 0, 0)
    return _Paint(
        colour=_shaded(COLOURS[garment.colour], light, tint),
        accent=_shaded(accent, light, tint),
        pattern=garment.pattern,
        offset=(rng.uniform(-0.1, 0.1), rng.uniform(-0.1, 0.1)),
        zoom=rng.uniform(0.88, 1.18),
    )


def _shaded(colour: Rgb, light: float, tint: Iterable[float] = (0, 0, 0)) -> Rgb:
    red, green, blue = (
        max(0, min(255, round(part * light + more)))
        for part, more in zip(colour, tint, strict=True)
    )
    return red, green, blue


def _draw_mark(canvas: _Canvas, mark: Cloth | Flat | Stroke, pose: _Pose, paint: _Paint) -> None:
    points = pose.place(mark.points)
    colour = None if isinstance(mark, Cloth) else mark.colour
    shade = min(255, round(mark.tone * 255))
    if isinstance(mark, Stroke):
        width = max(1, round(mark.width * pose.scale))
        canvas.shade_pen.line(points, fill=shade, width=width, joint="curve")
        if colour:
            canvas.colour_pen.line(points, fill=colour, width=width)
        return
    canvas.mask_pen.polygon(points, fill=255)
    canvas.shade_pen.polygon(points, fill=shade)
    if isinstance(mark, Flat) or paint.pattern == "plain":
        canvas.colour_pen.polygon(points, fill=colour or paint.colour)
    else:
        _lay_cloth(canvas.colour, points, mark, pose, paint)


def _lay_cloth(
    canvas: Image.Image, points: list[Point], piece: Cloth, pose: _Pose, paint: _Paint
) -> None:
    """Cut this piece out of the patterned cloth."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    left, upper = max(0, int(min(xs))), max(0, int(min(ys)))
    width, height = int(max(xs)) + 1 - left, int(max(ys)) + 1 - upper
    stencil = Image.new("L", (width, height), 0)
    ImageDraw.Draw(stencil).polygon([(x - left, y - upper) for x, y in points], fill=255)
    amount = _cloth_amount((left, upper), (width, height), piece, pose, paint)
    size = (width, height)
    cloth = Image.composite(
        Image.new("RGB", size, paint.accent),
        Image.new("RGB", size, paint.colour),
        amount,
    )
    canvas.paste(cloth, (left, upper), stencil)


def _cloth_amount(
    corner: tuple[int, int], size: tuple[int, int], piece: Cloth, pose: _Pose, paint: _Paint
) -> Image.Image:
    """How much accent colour falls on each pixel of a box of the canvas."""
    fineness = max(0, min(3, round(log2(900 / (pose.scale * paint.zoom)))))
    cloth = fabric(paint.pattern, fineness)
    per_pixel = cloth.width / SPAN / pose.scale / paint.zoom
    block = paint.pattern == "colour-block"
    turn = pose.turn + (0.0 if block else radians(piece.turn))
    a, b = cos(turn) * per_pixel, sin(turn) * per_pixel
    x, y = corner[0] - pose.dx, corner[1] - pose.dy
    ox, oy = (0.0, 0.0) if block else paint.offset
    middle = cloth.width / 2
    matrix = (
        a, b, a * x + b * y + middle + ox * cloth.width / SPAN,
        -b, a, -b * x + a * y + middle + oy * cloth.width / SPAN,
    )  # fmt: skip
    return cloth.transform(size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.BILINEAR)


def _emblem(canvas: _Canvas, sketch: Sketch, pose: _Pose, paint: _Paint, logo: str) -> None:
    """The logo in the accent colour, on a patch of plain cloth where the cloth has a pattern."""
    x, y, radius = sketch.logo
    if paint.pattern != "plain":
        patch = pose.place(disc(x, y, radius * 1.42))
        canvas.colour_pen.polygon(patch, fill=paint.colour)
        canvas.shade_pen.polygon(patch, fill=255)
        width = max(1, round(pose.scale * 0.007))
        canvas.shade_pen.line([*patch, patch[0]], fill=175, width=width)
    shape = pose.place([(x + radius * px, y + radius * py) for px, py in EMBLEMS[logo]])
    canvas.colour_pen.polygon(shape, fill=paint.accent)
    canvas.shade_pen.polygon(shape, fill=255)


def _photograph(layers: tuple[Image.Image, Image.Image, Image.Image], rng: Random) -> Image.Image:
    """Light and folds on the garment, its soft shadow on the wall behind it."""
    colour, shade, mask = layers
    size = colour.size
    small = mask.resize((_SMALL, _SMALL), Image.Resampling.BOX)
    soft = small.filter(ImageFilter.GaussianBlur(2.2))
    light = ImageChops.multiply(_toned(_moved(soft, -1, -1), _ROUNDING), _folds(rng, _SHADED))
    light = ImageChops.multiply(shade, light.resize(size, Image.Resampling.BICUBIC))
    colour.paste((255, 255, 255), (0, 0, *size), _folds(rng, _SHINE).resize(size))
    colour = ImageChops.multiply(colour, Image.merge("RGB", (light, light, light)))
    shadow = _toned(_moved(soft.filter(ImageFilter.GaussianBlur(2)), 1, 3), _SHADOW)
    wall = _wall(size, rng)
    wall.paste((70, 66, 72), (0, 0, *size), shadow.resize(size, Image.Resampling.BICUBIC))
    wall.paste(colour, (0, 0), mask)
    return wall


# Light is computed on a picture this small and enlarged: it is soft anyway.
_SMALL = 56
_ROUNDING = bytes(172 + round(83 * value / 255) for value in range(256))
_SHADED = bytes(212 + round(43 * value / 255) for value in range(256))
_SHINE = bytes(round(30 * value / 255) for value in range(256))
_SHADOW = bytes(round(0.36 * value) for value in range(256))


def _moved(small: Image.Image, dx: int, dy: int) -> Image.Image:
    """The same picture moved right and down, empty where it came from."""
    return small.crop((-dx, -dy, small.width - dx, small.height - dy))


def _toned(small: Image.Image, levels: bytes) -> Image.Image:
    return Image.frombytes("L", small.size, small.tobytes().translate(levels))


def _folds(rng: Random, levels: bytes) -> Image.Image:
    """Soft random light, longer down than across, as cloth falls."""
    columns, rows = 9, 5
    rough = rng.randbytes(columns * rows).translate(levels)
    return Image.frombytes("L", (columns, rows), rough).resize(
        (_SMALL, _SMALL), Image.Resampling.BICUBIC
    )


def _wall(size: tuple[int, int], rng: Random) -> Image.Image:
    base = rng.choice(_BACKGROUNDS)
    corners = Image.new("RGB", (2, 2))
    for index in range(4):
        light = rng.uniform(0.95, 1.04) + (0.015 if index < 2 else -0.03)
        corners.putpixel((index % 2, index // 2), _shaded(base, light))
    return corners.resize(size, Image.Resampling.BICUBIC)
