"""Metrics of the field's benchmarks at their real sizes: the published way and ours."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparing import Item, within
from benchmarks.published import metrics as published
from workers.metrics import circo, cirr, fashioniq
from workers.metrics.protocols import Asked, Benchmark
from workers.metrics.scores import Features, Rows, Similarities, unit

DIM = 640  # of RN50x4
SMALL_DIM = 256  # of the towers of this table's trainings: both ways multiply, so width tells
NEARNESS = 0.06  # of a query to its target, so that ranks are neither all 1 nor all chance
NONE: Rows = np.empty((0, 0), dtype=np.int64)
Names = list[str]
# Names are compared letter by letter, so they are as long as the images' own.
FASHIONIQ, CIRR, CIRCO = "B{:09d}", "dev-{:04d}-0-img0", "{}"


def metric_items(scale: float = 1.0) -> list[Item]:
    """FashionIQ (one category), CIRR and CIRCO; `scale` shrinks them for a try."""
    sizes = ((2_017, 3_817), (4_181, 2_297), (220, 123_403))
    fashion, scenes, many = ((max(8, int(q * scale)), max(64, int(n * scale))) for q, n in sizes)
    return [
        fashioniq_item(*fashion, SMALL_DIM), fashioniq_item(*fashion), cirr_item(*scenes),
        circo_item(*many),
    ]  # fmt: skip


def fashioniq_item(queries: int, images: int, dim: int = DIM) -> Item:
    """A category's recalls, the reference kept."""
    gallery, names, targets, asked = _drawn(queries, images, FASHIONIQ, dim)
    theirs = partial(published.fashioniq, asked, gallery, names, _named(names, targets))

    def ours() -> dict[str, float]:
        row = {name: number for number, name in enumerate(names)}
        wanted = np.array([row[name] for name in _named(names, targets)])
        return _measured(fashioniq.BENCHMARK, asked, gallery, Asked(wanted, NONE, NONE, NONE))

    what = f"FashionIQ's metrics, {queries:,} x {images:,}, features of {dim}"
    anew = partial(fashioniq_item, queries, images, dim)
    return Item(what, 15, theirs, ours, _same, anew=anew)


def cirr_item(queries: int, images: int) -> Item:
    """Recalls without the reference, and those among its set."""
    gallery, names, targets, asked = _drawn(queries, images, CIRR)
    rng = np.random.default_rng(2)
    # Six neighbours in the list are a set, as CIRR's are images of one scene.
    sets = np.arange(images // 6 * 6).reshape(-1, 6)
    targets = targets % sets.size
    members = sets[targets // 6]
    references = members[np.arange(queries), (targets + rng.integers(1, 6, queries)) % 6]
    told = [_named(names, part) for part in members]
    theirs = partial(
        published.cirr, asked, gallery, names, _named(names, references), _named(names, targets),
        told,
    )  # fmt: skip

    def ours() -> dict[str, float]:
        row = {name: number for number, name in enumerate(names)}
        wanted, left_out = (
            np.array([row[name] for name in _named(names, rows)]) for rows in (targets, references)
        )
        subsets = np.array([[row[name] for name in one] for one in told])
        return _measured(cirr.BENCHMARK, asked, gallery, Asked(wanted, left_out, NONE, subsets))

    what, anew = f"CIRR's metrics, {queries:,} x {images:,}", cirr_item
    return Item(what, 15, theirs, ours, _same, anew=partial(anew, queries, images))


def circo_item(queries: int, images: int) -> Item:
    """Mean average precision over one to eight right answers a query."""
    gallery, names, targets, asked = _drawn(queries, images, CIRCO)
    rng = np.random.default_rng(3)
    answers = [
        [target, *np.setdiff1d(rng.integers(images, size=rng.integers(8)), [target])]
        for target in targets
    ]
    told = [_named(names, one) for one in answers]
    theirs = partial(published.circo, asked, gallery, names, told)

    def ours() -> dict[str, float]:
        row = {name: number for number, name in enumerate(names)}
        positives = np.full((queries, max(map(len, answers))), -1)
        for places, right in zip(positives, told, strict=True):
            places[: len(right)] = [row[name] for name in right]
        rows = Asked(positives[:, 0], NONE, positives, NONE)
        return _measured(circo.BENCHMARK, asked, gallery, rows)

    what, anew = f"CIRCO's metrics, {queries:,} x {images:,}", circo_item
    return Item(what, 12, theirs, ours, _same, turns=1, anew=partial(anew, queries, images))


def _drawn(
    queries: int, images: int, name: str, dim: int = DIM
) -> tuple[Features, Names, Rows, Features]:
    """A gallery with names, the row of each query's target, and queries near to them."""
    rng = np.random.default_rng(1)
    gallery = unit(rng.standard_normal((images, dim), dtype=np.float32))
    targets = rng.integers(images, size=queries)
    noise = unit(rng.standard_normal((queries, dim), dtype=np.float32))
    names = [name.format(number) for number in rng.permutation(images)]
    return gallery, names, targets, unit(noise + NEARNESS * 2 * gallery[targets])


def _named(names: Names, rows: Sequence[int] | NDArray[np.int64]) -> Names:
    return [names[row] for row in rows]


def _measured(
    benchmark: Benchmark, queries: Features, gallery: Features, asked: Asked
) -> dict[str, float]:
    protocol = benchmark.protocol("default")
    found = benchmark.measure(Similarities(queries, gallery), asked, protocol)
    return {name: float(values.mean()) for name, values in found.values.items()}


def _same(first: dict[str, float], second: dict[str, float]) -> str:
    most = max(abs(value - second[name]) for name, value in first.items())
    return within(most, f"{len(first)} figures, at most {{:.2g}} points apart")
