"""The catalogue on disk: pictures, a product manifest, and triplets in FashionIQ's file format."""

from __future__ import annotations

import csv
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from random import Random
from threading import current_thread, main_thread
from typing import Literal

from backend.errors import Conflict, InvalidInput
from workers.datasets.wardrobe.attributes import ATTRIBUTES
from workers.datasets.wardrobe.drawing import draw
from workers.datasets.wardrobe.families import FAMILY_SIZE, Family, Item, each_family, triplets
from workers.datasets.wardrobe.garments import Role

Stage = Literal["looks", "pictures"]
Progress = Callable[[Stage, int, int], None]

# A split's looks and caption templates are those of one role, so that no split leaks into another.
SPLITS: dict[str, Role] = {"train": "train", "val": "choose", "test": "heldout"}
_SHARES = {"val": 0.15, "test": 0.15}
_LEAST_ITEMS = FAMILY_SIZE * len(SPLITS)

COLUMNS = ("sku", "title", "category", "split", "price", "currency", "image", *ATTRIBUTES)


@dataclass(frozen=True)
class Summary:
    """What was written: products by split, and triplets by split."""

    folder: Path
    items: dict[str, int]
    triplets: dict[str, int]


def write_dataset(
    out: Path,
    items: int,
    seed: int = 0,
    *,
    size: int = 256,
    quality: int = 88,
    processes: int = 1,
    progress: Progress | None = None,
    all_pairs: bool = False,
) -> Summary:
    """Write a catalogue of about `items` products (whole families of six) to the folder `out`.

    Layout: `products.csv`, `images/{sku}.jpg`, `captions/cap.wardrobe.{split}.json`,
    `image_splits/split.wardrobe.{split}.json`. The same arguments write the same bytes, by however
    many processes. `progress(stage, done, total)` counts products, first as their looks are thought
    up, then as their pictures are drawn. The folder appears only when it is complete.

    all_pairs: whether training triplets lead between any two of a family, not from its base alone.

    Raises InvalidInput where `items` or `size` is too small, `items` more than there are looks, or
    `out` cannot be made, Conflict where it is not empty.
    """
    _check(items, size)
    draft = _new_draft(out)
    report: Progress = progress or (lambda *_: None)
    catalogue = _catalogue(items // FAMILY_SIZE, seed, report)
    summary = Summary(out, {}, {})
    for split, source in catalogue.items():
        summary.items[split] = _write_split(draft, split, source)
        every = all_pairs and split == "train"
        summary.triplets[split] = _write_captions(draft, split, source, seed, all_pairs=every)
    _write_images(draft / "images", catalogue, size, quality, processes, report)
    _write_products(draft / "products.csv", catalogue, seed)
    if out.exists():
        out.rmdir()
    draft.rename(out)
    return summary


def _check(items: int, size: int) -> None:
    if items < _LEAST_ITEMS:
        raise InvalidInput(
            f"A Wardrobe of {items} items is too small: ask for at least {_LEAST_ITEMS}, one"
            " family of six for each split."
        )
    if size < 32:
        raise InvalidInput(f"Pictures of {size} pixels are too small: ask for at least 32.")


def _new_draft(out: Path) -> Path:
    """The folder beside `out` that becomes it, with empty folders in it."""
    place = out.absolute()
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise Conflict(f"{out} already exists and is not an empty folder: name another one.")
        draft = place.with_name(place.name + ".partial")
        shutil.rmtree(draft, ignore_errors=True)
        for folder in ("images", "captions", "image_splits"):
            (draft / folder).mkdir(parents=True)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise InvalidInput(
            f"{out} cannot be made ({reason}): name a folder in a place where you may write."
        ) from error
    return draft


def _catalogue(count: int, seed: int, report: Progress) -> dict[str, list[Family]]:
    """`count` families, 70 % in train, the rest in val and test, at least one in each."""
    counts = {split: max(1, round(count * share)) for split, share in _SHARES.items()}
    counts["train"] = count - sum(counts.values())
    catalogue: dict[str, list[Family]] = {split: [] for split in SPLITS}
    done = 0
    for split, role in SPLITS.items():
        for family in each_family(role, counts[split], seed):
            catalogue[split].append(family)
            done += FAMILY_SIZE
            report("looks", done, count * FAMILY_SIZE)
    return catalogue


def _items(source: list[Family]) -> list[Item]:
    return [item for family in source for item in family.items]


def _write_split(draft: Path, split: str, source: list[Family]) -> int:
    skus = sorted(item.sku for item in _items(source))
    _write_json(draft / "image_splits" / f"split.wardrobe.{split}.json", skus)
    return len(skus)


def _write_captions(
    draft: Path, split: str, source: list[Family], seed: int, *, all_pairs: bool
) -> int:
    rows = [
        {
            "target": triplet.target.sku,
            "candidate": triplet.reference.sku,
            "captions": [triplet.caption, triplet.second_caption],
        }
        for triplet in triplets(source, SPLITS[split], seed, all_pairs=all_pairs)
    ]
    _write_json(draft / "captions" / f"cap.wardrobe.{split}.json", rows)
    return len(rows)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8", newline="\n")


def _write_products(path: Path, catalogue: dict[str, list[Family]], seed: int) -> None:
    """The manifest, mixed as a shop's shelves are: a family would be six near-twins in a row."""
    rows = [_row(split, item) for split, source in catalogue.items() for item in _items(source)]
    Random(f"wardrobe shelves {seed}").shuffle(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _row(split: str, item: Item) -> dict[str, str]:
    return {
        "sku": item.sku,
        "title": item.title,
        "split": split,
        "price": str(item.price),
        "currency": item.currency,
        "image": f"images/{item.sku}.jpg",
        **item.garment.visible(),
    }


@dataclass(frozen=True)
class _Shot:
    """One picture to take, as a process of its own needs to know it."""

    item: Item
    path: Path
    size: int
    quality: int


def _write_images(
    folder: Path,
    catalogue: dict[str, list[Family]],
    size: int,
    quality: int,
    processes: int,
    report: Progress,
) -> None:
    shots = [
        _Shot(item, folder / f"{item.sku}.jpg", size, quality)
        for source in catalogue.values()
        for item in _items(source)
    ]
    for done, _ in enumerate(_taken(shots, processes), start=1):
        report("pictures", done, len(shots))


def _taken(shots: list[_Shot], processes: int) -> Iterator[None]:
    if processes <= 1:
        yield from map(_take, shots)
        return
    # Spawned, not forked: the caller may hold threads and locks. An executor, not a Pool, whose end
    # after an interrupt was once waited for in vain.
    drawing = ProcessPoolExecutor(processes, get_context("spawn"), _leave_interrupts)
    try:
        with _interrupts_ignored():  # as its children are from birth, before they can say so
            taken = drawing.map(_take, shots, chunksize=32)
        yield from taken
    finally:
        drawing.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if current_thread() is not main_thread():  # no other may say what happens at a signal
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _leave_interrupts() -> None:
    """Ctrl-C reaches every process of a terminal: the caller alone answers it, and ends these."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _take(shot: _Shot) -> None:
    picture = draw(shot.item.garment, shot.item.seed, shot.size)
    picture.save(shot.path, "JPEG", quality=shot.quality)
