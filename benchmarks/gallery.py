"""Qdrant Edge at 1,500 and 100,000 points of 512 numbers: exact, and optimised.

Recall is the share of what exact search finds that the optimised gallery finds too. Times are
processor time of the calling process, which other work on the machine hardly changes; those in
seconds are by clock.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from backend.composition.composer import RESCORED_CANDIDATES
from backend.gallery.edge_store import EdgeGalleryStore
from backend.gallery.filters import Filter, check_keys, parse_filter
from backend.gallery.port import Gallery, Hit
from backend.search.finding import PAYLOAD_KEYS, WINDOW_IMAGES
from benchmarks.drawn_points import DIM, KINDS, Vectors, drawn, points
from benchmarks.tables import Table, write

SMALL, LARGE = 1_500, 100_000
BATCH = 256
WRITTEN = 1_000  # points of a measured edit, deletion or upsert
PAGE = 1_000
QUERIES = 30
FILTERS: dict[str, tuple[str, ...]] = {
    "category=dress (10 %)": ("category=dress",),
    "category!=dress (90 %)": ("category!=dress",),
    "sale=true (33 %)": ("sale=true",),
    "colour=c3,c5 (12 %)": ("colour=c3,c5",),
    "price=10..60 (50 %)": ("price=10..60",),
    "price<=0.5 (0.5 %)": ("price<=0.5",),
    "sku=SKU-77 (one point)": ("sku=SKU-77",),
    "price=10..60 colour!=c3 sale=true (16 %)": ("price=10..60", "colour!=c3", "sale=true"),
}
COLUMNS = (
    "what",
    "1,500 exact",
    "100,000 exact",
    "100,000 optimised",
    "unit",
    "exact / optimised",
    "recall@50",
    "recall@500",
)

CAPTION = (
    "Milliseconds and points a second are of processor time, which other work on the machine "
    "hardly changes; seconds are by the clock. Recall is against exact search at 100,000."
)

Figures = dict[str, tuple[float, str]]  # figure and unit, by what was measured
Found = dict[str, list[list[str]]]  # ids by query, by what was measured


def main() -> None:
    """Fill two galleries, measure, optimise the large one, measure again."""
    with tempfile.TemporaryDirectory() as scratch:
        small, _ = _measured(Path(scratch) / "small", SMALL)
        exact, exact_found = _measured(Path(scratch) / "large", LARGE)
        optimised, found = _measured_optimised(Path(scratch) / "large")
    rows = [_row(what, small, exact, optimised, exact_found, found) for what in exact | optimised]
    title = f"Qdrant Edge, {DIM} numbers a vector, windows of {WINDOW_IMAGES} images"
    write("gallery", title, Table(COLUMNS, rows, CAPTION))


def _measured(folder: Path, count: int) -> tuple[Figures, Found]:
    store = EdgeGalleryStore(folder)
    gallery = store.create("g", DIM)
    figures = _fill(gallery, count)
    found = _search(gallery, figures)
    _write(gallery, count, figures)
    figures["memory after all of this"] = _memory()
    _reopened(store, figures)
    store.close()
    return figures, found


def _measured_optimised(folder: Path) -> tuple[Figures, Found]:
    store = EdgeGalleryStore(folder, exact_below=LARGE // 2)
    gallery = store.open("g")
    figures: Figures = {}
    figures["optimise"] = _clocked(gallery.optimise), "s"
    figures["optimise, processor time of the child"] = (
        psutil.Process().cpu_times().children_user,
        "s",
    )
    figures["optimise again, nothing changed"] = _clocked(gallery.optimise), "s"
    found = _search(gallery, figures)
    _write(gallery, LARGE, figures)
    figures["memory after all of this"] = _memory()
    _reopened(store, figures)
    store.close()
    return figures, found


def _fill(gallery: Gallery, count: int) -> Figures:
    for slug, kind in KINDS.items():
        gallery.index_attribute(slug, kind)
    figures: Figures = {"memory, empty": _memory()}
    spent = 0.0
    for start in range(0, count, BATCH):
        batch = list(points(range(start, min(start + BATCH, count))))
        spent += _timed(partial(gallery.upsert, batch))
        if start // BATCH == count // BATCH // 2:
            figures["memory, half filled"] = _memory()
    figures["memory, filled"] = _memory()
    figures[f"filling, {BATCH} a call"] = count / spent, "points/s"
    return figures


def _search(gallery: Gallery, figures: Figures) -> Found:
    queries = drawn(np.random.default_rng(7), QUERIES, 0.9)
    found: Found = {}

    def measure(what: str, ask: Callable[[Vectors], list[Hit]]) -> None:
        seconds, answers = [], []
        for query in queries:
            begun = time.process_time()
            hits = ask(query)
            seconds.append(time.process_time() - begun)
            answers.append([hit.id for hit in hits])
        figures[what], found[what] = (1000 * median(seconds), "ms"), answers

    selectors: dict[str, Sequence[str] | None] = {
        "whole payloads": None,
        "product alone": PAYLOAD_KEYS,
        "ids alone": (),
    }
    for name, keys in selectors.items():
        measure(f"search, {name}", partial(window, gallery, keys=keys))
    for name, expressions in FILTERS.items():
        only = check_keys(parse_filter(expressions), KINDS)
        measure(f"search, {name}", partial(window, gallery, only=only))
    measure("search without one product", partial(window, gallery, without=["P-5"]))
    _rescore(gallery, queries, figures)
    return found


def window(
    gallery: Gallery,
    query: Vectors,
    only: Filter | None = None,
    without: Sequence[str] = (),
    keys: Sequence[str] | None = PAYLOAD_KEYS,
) -> list[Hit]:
    return gallery.search(
        query, filter=only, limit=WINDOW_IMAGES, exclude_products=without, keys=keys
    )


def _rescore(gallery: Gallery, queries: Vectors, figures: Figures) -> None:
    count = RESCORED_CANDIDATES
    ids = [hit.id for hit in gallery.search(queries[0], limit=count, keys=())]
    for what, do in {
        f"fetch {count} whole": lambda: gallery.fetch(ids),
        f"fetch {count} vectors": lambda: gallery.fetch(ids, keys=()),
        f"two similarities of {count}": lambda: gallery.similarities([*queries[:2]], ids),
    }.items():
        figures[what] = 1000 * median(_timed(do) for _ in range(9)), "ms"


def _write(gallery: Gallery, count: int, figures: Figures) -> None:
    chosen = np.random.default_rng(3).choice(count, WRITTEN, replace=False).tolist()
    written = list(points(chosen))
    ids = [point.id for point in written]
    edits = {point.id: {**point.payload, "category": "hat"} for point in written}
    figures[f"edit {WRITTEN} payloads"] = 1000 * _timed(lambda: gallery.set_payload(edits)), "ms"
    figures[f"delete {WRITTEN}"] = 1000 * _timed(lambda: gallery.delete(ids)), "ms"
    figures[f"write {WRITTEN} again"] = 1000 * _timed(lambda: gallery.upsert(written)), "ms"
    figures["count all"] = 1000 * _timed(gallery.count), "ms"
    dresses = parse_filter(["category=dress"])
    figures["count one category"] = 1000 * _timed(lambda: gallery.count(dresses)), "ms"
    figures["facets of a colour"] = 1000 * _timed(lambda: gallery.facets("attributes.colour")), "ms"
    walked = _timed(lambda: _walk(gallery))
    figures[f"walk all with product, {PAGE} a page"] = count / walked, "points/s"


def _walk(gallery: Gallery) -> None:
    after = None
    while page := gallery.scroll_payloads(after, PAGE, PAYLOAD_KEYS):
        after = next(reversed(page))


def _reopened(store: EdgeGalleryStore, figures: Figures) -> None:
    figures["close"] = _clocked(store.close), "s"
    figures["load"] = _clocked(lambda: store.open("g")), "s"


def _timed(do: Callable[[], object]) -> float:
    begun = time.process_time()
    do()
    return time.process_time() - begun


def _clocked(do: Callable[[], object]) -> float:
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun


def _memory() -> tuple[float, str]:
    return float(psutil.Process().memory_info().rss / 2**20), "MB"


def _row(
    what: str,
    small: Figures,
    exact: Figures,
    optimised: Figures,
    exact_found: Found,
    found: Found,
) -> tuple[object, ...]:
    unit = (exact | optimised)[what][1]
    figures = [of[what][0] if what in of else "" for of in (small, exact, optimised)]
    ratio = exact[what][0] / optimised[what][0] if what in exact and what in optimised else ""
    shares = [recall(exact_found[what], found[what], k) if what in found else "" for k in (50, 500)]
    return (what, *figures, unit, ratio if unit == "ms" else "", *shares)


def recall(exact: list[list[str]], found: list[list[str]], k: int) -> float:
    shares = [
        len({*a[:k]} & {*b[:k]}) / max(1, len(a[:k])) for a, b in zip(exact, found, strict=True)
    ]
    return float(np.mean(shares))
