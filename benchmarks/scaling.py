"""What a million vectors cost: memory, disk, and processor time of search, filling and the graph.

Qdrant Edge, whose engine is the server's. Vectors, payloads and filters are those of
`benchmarks.gallery`. Every layout is opened in a process of its own, so that its memory is that of
the gallery and not what filling left behind. Times are processor time, which other work on the
machine hardly changes.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from backend.gallery.edge_store import EdgeGalleryStore
from backend.gallery.filters import check_keys, parse_filter
from backend.gallery.layout import Layout, Quantization
from backend.gallery.port import Gallery
from benchmarks.drawn_points import DIM, KINDS, drawn, points
from benchmarks.gallery import BATCH, FILTERS, QUERIES, recall, window
from benchmarks.tables import Table, write

PRODUCTS = 1_000_000
OVERSAMPLING = 2.0
DEPTHS = (10, 50, 500)
FILTER = "category=dress (10 %)"
LAYOUTS: dict[str, tuple[Layout, bool]] = {
    "exact": (Layout(), False),
    "graph": (Layout(), True),
    "graph, a byte a number": (Layout(Quantization("scalar", True, OVERSAMPLING)), True),
}
"""How a gallery is laid out, and whether it is optimised for that."""
PARTS = {
    "vectors": "vector_storage",
    "codes": "quantized",
    "graph": "vector_index",
    "payloads": "payload_storage",
    "payload indexes": "payload_index",
}
"""Files of a segment by what they hold; a path of several counts for the last that it has."""

Figures = dict[str, float]
Found = list[list[str]]


def main(products: int | None = None) -> None:
    """Fill one gallery, lay it out in each way, and write benchmarks/results/scaling.md."""
    count = products or PRODUCTS
    columns: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        filled = _filled(folder, count)
        exact: Found = []
        for name, (layout, optimised) in LAYOUTS.items():
            made = _optimised(folder, layout, count) if optimised else filled
            figures, found = _alone(folder, layout, count)
            exact = exact or found
            shares = {f"recall@{k} of 500": recall(exact, found, k) for k in DEPTHS}
            columns[name] = made | _on_disk(folder, count) | figures | shares
    what = dict.fromkeys(key for figures in columns.values() for key in figures)
    rows = [(key, *(figures.get(key, "") for figures in columns.values())) for key in what]
    caption = (
        f"{count:,} points of {DIM} numbers ({4 * DIM:,} bytes) with nine fields each, in one "
        f"shard. A search asks for 500 with their products; {OVERSAMPLING:g} times as many codes "
        "are compared again by their vectors. Memory is what a new process takes for the open "
        "gallery after the searches; mapped files are the part that the system can take back."
    )
    title = f"What {count:,} vectors cost"
    table = Table(("what", *columns), rows, caption)
    write("scaling", title, table, command=f"scaling --products {count}")


def _filled(folder: Path, count: int) -> Figures:
    store = EdgeGalleryStore(folder)
    gallery = store.create("g", DIM)
    for slug, kind in KINDS.items():
        gallery.index_attribute(slug, kind)
    spent = 0.0
    for start in range(0, count, BATCH):
        batch = list(points(range(start, min(start + BATCH, count))))
        begun = time.process_time()
        gallery.upsert(batch)
        spent += time.process_time() - begun
    store.close()
    return {"filling, µs a point": 1e6 * spent / count}


def _optimised(folder: Path, layout: Layout, count: int) -> Figures:
    store = EdgeGalleryStore(folder, exact_below=count // 2, layout=layout)
    before, begun = psutil.Process().cpu_times().children_user, time.perf_counter()
    store.open("g").optimise()
    seconds = time.perf_counter() - begun
    spent = psutil.Process().cpu_times().children_user - before
    store.close()
    return {"optimising, processor s": spent, "optimising, s by the clock": seconds}


def _on_disk(folder: Path, count: int) -> Figures:
    """Bytes a point; blocks, since the engine's files have holes."""
    sizes = dict.fromkeys(PARTS, 0)
    whole = 0
    for path in folder.glob("g/**/*"):
        if path.is_file():
            size = path.stat().st_blocks * 512
            whole += size
            holds = [part for part, word in PARTS.items() if word in str(path)]
            if holds:
                sizes[max(holds, key=lambda part: str(path).rfind(PARTS[part]))] += size
    named = {f"on disk, {part}, bytes a point": size / count for part, size in sizes.items()}
    return named | {"on disk, all, bytes a point": whole / count}


def _alone(folder: Path, layout: Layout, count: int) -> tuple[Figures, Found]:
    """The figures of an open gallery, and what each query found, from a process of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_served, (folder, layout, count))


def _served(folder: Path, layout: Layout, count: int) -> tuple[Figures, Found]:
    empty = _memory()
    begun = time.perf_counter()
    store = EdgeGalleryStore(folder, exact_below=count // 2, layout=layout)
    gallery = store.open("g")
    figures = {"opening, s by the clock": time.perf_counter() - begun}
    found, figures["search, processor ms"] = _searched(gallery, None)
    _, figures[f"search, {FILTER}, processor ms"] = _searched(gallery, FILTER)
    held, mapped = (after - before for after, before in zip(_memory(), empty, strict=True))
    figures["memory, bytes a point"] = held / count
    figures["of it mapped files, bytes a point"] = mapped / count
    store.close()
    return figures, found


def _searched(gallery: Gallery, chosen: str | None) -> tuple[Found, float]:
    only = check_keys(parse_filter(FILTERS[chosen]), KINDS) if chosen else None
    ask = partial(window, gallery, only=only)
    found, seconds = [], []
    for query in drawn(np.random.default_rng(7), QUERIES, 0.9):
        begun = time.process_time()
        hits = ask(query)
        seconds.append(time.process_time() - begun)
        found.append([hit.id for hit in hits])
    return found, 1000 * median(seconds)


def _memory() -> tuple[int, int]:
    """Bytes in memory, and those of them that are mapped files."""
    now = psutil.Process().memory_info()
    return now.rss, now.shared
