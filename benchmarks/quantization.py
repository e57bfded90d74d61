"""What quantization loses on composed queries, and what it costs: Qdrant Edge, demo backbone.

Pictures of a drawn Wardrobe; queries are the sums of a reference picture and the words of its
triplet, held out from training. Recall is the share of what an exact search of the vectors finds.
Every gallery is optimised, so that bytes exist too; at this size the engine walks no graph but
compares all codes, so the loss is that of the codes alone.
"""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.composition.composer import NormalisedSum, QueryFeatures
from backend.composition.sphere import normalise
from backend.encoding.backbone import Backbone, BackboneSpec, load_backbone
from backend.gallery.edge_store import EdgeGalleryStore
from backend.gallery.layout import Layout, Quantization, QuantizationKind
from backend.gallery.port import Gallery, Point
from benchmarks.tables import Table, write
from workers.datasets import wardrobe_folder
from workers.datasets.wardrobe.dataset import write_dataset

ITEMS, QUICK_ITEMS = 6_000, 60
QUERIES, DEPTHS = 500, (10, 50)
SEED, PIXELS, BATCH = 11, 128, 64
KINDS: tuple[QuantizationKind, ...] = ("none", "scalar", "binary")
SEARCHES: dict[str, tuple[bool, float]] = {
    "without rescoring": (False, 1.0),
    "rescored": (True, 1.0),
    "rescored, oversampling 2": (True, 2.0),
    "rescored, oversampling 4": (True, 4.0),
}
COLUMNS = (
    "codes",
    "search",
    *(f"recall@{depth}" for depth in DEPTHS),
    "target in 10",
    "ms a query",
    "bytes of codes an image",
    "bytes on disk an image",
)

Vectors = NDArray[np.float32]


class Asked(NamedTuple):
    """The pictures' unit vectors (n, dim), the queries (q, dim), and the row each one means."""

    vectors: Vectors
    queries: Vectors
    targets: list[int]


def main(*, quick: bool = False) -> None:
    """Draw, encode, fill a gallery of each kind, ask it in every way."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        asked = _asked(folder / "wardrobe", QUICK_ITEMS if quick else ITEMS)
        rows = [row for kind in KINDS for row in _rows(folder / kind, kind, asked)]
    count, dim = asked.vectors.shape
    caption = (
        f"{count:,} pictures, {dim} numbers each ({4 * dim:,} bytes), {len(asked.queries)} "
        f"composed queries by the sum. Exact search has the target among its first {DEPTHS[0]} for "
        f"{100 * _found(asked):.1f} %. Milliseconds are of processor time, for the best "
        f"{DEPTHS[-1]} with their products. The codes are all kept in memory; the vectors are too, "
        "unless a server is told to leave them on disk."
    )
    title = f"Quantization on composed queries, {count:,} pictures"
    if not quick:
        write("quantization", title, Table(COLUMNS, rows, caption))


def _asked(folder: Path, items: int) -> Asked:
    write_dataset(folder, items, SEED, size=PIXELS)
    backbone = load_backbone(BackboneSpec("akin-demo"), device="cpu")
    splits = [wardrobe_folder.load(folder, name)[0] for name in wardrobe_folder.SPLITS]
    images = {name: path for split in splits for name, path in split.images.items()}
    rows = {name: row for row, name in enumerate(images)}
    features = np.concatenate(list(_encoded(backbone, list(images.values()))))
    held_out = [triplet for split in splits[1:] for triplet in split.triplets if triplet.target]
    chosen = np.random.default_rng(SEED).permutation(len(held_out))[:QUERIES]
    triplets = [held_out[number] for number in chosen]
    texts = backbone.encode_texts([" and ".join(one.captions) for one in triplets])
    composer = NormalisedSum()
    queries = [
        composer.compose(QueryFeatures(features[rows[one.reference]], text))
        for one, text in zip(triplets, texts, strict=True)
    ]
    targets = [rows[str(one.target)] for one in triplets]
    return Asked(normalise(features), np.stack(queries), targets)


def _encoded(backbone: Backbone, paths: list[Path]) -> Iterator[Vectors]:
    for start in range(0, len(paths), BATCH):
        pixels = []
        for path in paths[start : start + BATCH]:
            with Image.open(path) as picture:
                pixels.append(backbone.preprocessing.pixels(picture.convert("RGB")))
        yield backbone.encode_images(np.stack(pixels))


def _rows(folder: Path, kind: QuantizationKind, asked: Asked) -> Iterator[tuple[object, ...]]:
    count = len(asked.vectors)
    _filled(folder, kind, asked.vectors)
    codes = _bytes(folder, "quantized") / count
    disk = _bytes(folder, "") / count
    searches = {"no codes": (False, 1.0)} if kind == "none" else SEARCHES
    for name, (rescore, oversampling) in searches.items():
        layout = Layout(Quantization(kind, rescore, oversampling))
        store = EdgeGalleryStore(folder, layout=layout)
        recalls, hits, milliseconds = _searched(store.open("g"), asked)
        store.close()
        yield kind, name, *recalls, hits, milliseconds, codes, disk


def _filled(folder: Path, kind: QuantizationKind, vectors: Vectors) -> None:
    layout = Layout(Quantization(kind))
    store = EdgeGalleryStore(folder, exact_below=len(vectors), layout=layout)
    gallery = store.create("g", vectors.shape[1])
    for start in range(0, len(vectors), BATCH):
        gallery.upsert(
            [
                Point(_id(start + n), vector, {"product": f"P-{start + n}", "attributes": {}})
                for n, vector in enumerate(vectors[start : start + BATCH])
            ]
        )
    gallery.optimise()
    assert gallery.laid().quantization == kind, "the codes are not those that were asked for"
    store.close()


def _searched(gallery: Gallery, asked: Asked) -> tuple[list[float], float, float]:
    """Recall by depth, the share of targets among the first 10, and milliseconds a query."""
    exact = np.argsort(-(asked.queries @ asked.vectors.T), axis=1, kind="stable")
    shares: dict[int, list[float]] = {depth: [] for depth in DEPTHS}
    seconds, hits = [], 0
    for query, best, target in zip(asked.queries, exact, asked.targets, strict=True):
        for depth in DEPTHS:  # each depth its own search: oversampling goes by what is asked for
            begun = time.process_time()
            found = [hit.id for hit in gallery.search(query, limit=depth, keys=("product",))]
            took = time.process_time() - begun
            wanted = {_id(int(row)) for row in best[:depth]}
            shares[depth].append(len(wanted & {*found}) / len(wanted))
            hits += depth == DEPTHS[0] and _id(target) in found
        seconds.append(took)
    recalls = [float(np.mean(shares[depth])) for depth in DEPTHS]
    return recalls, hits / len(asked.queries), 1000 * median(seconds)


def _found(asked: Asked) -> float:
    best = np.argsort(-(asked.queries @ asked.vectors.T), axis=1, kind="stable")[:, : DEPTHS[0]]
    return float(np.mean([target in row for target, row in zip(asked.targets, best, strict=True)]))


def _bytes(folder: Path, what: str) -> int:
    """On the disk: the engine's files have holes."""
    files = (path for path in folder.glob("g/segments/**/*") if path.is_file())
    return sum(path.stat().st_blocks * 512 for path in files if what in str(path))


def _id(row: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, str(row)))
