"""What one thing costs, for docs/scaling.md: a picture and a sentence through bare towers of usual
sizes, on one thread in processor time, and a product's bytes in PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import open_clip
import torch
from sqlalchemy import func, select

from backend.database import Database
from backend.migrating import upgrade
from benchmarks.tables import Table, write
from tests.backend.catalogue.hundred_thousand import seed
from tests.conftest import scratch_postgres

TOWERS = ("ViT-B-32", "ViT-L-14")
SENTENCE = "like this, but red and with long sleeves"
BATCH, TIMES = 8, 5
PRODUCTS = 100_000


def main() -> None:
    """Measure, and write benchmarks/results/costs.md."""
    torch.set_num_threads(1)
    towers = [(name, *_tower(name)) for name in TOWERS]
    write(
        "costs",
        "What one thing costs",
        Table(
            ("model", "an image, ms", "a sentence, ms"),
            towers,
            f"Random weights, float32, one thread; images in batches of {BATCH}, sentences alone. "
            f"Processor time, median of {TIMES}.",
        ),
        Table(
            ("products", "bytes a product"),
            [(f"{PRODUCTS:,}", _bytes_in_postgres())],
            "PostgreSQL, with indexes: one picture, eight attributes and one gallery a product.",
        ),
    )


def _tower(name: str) -> tuple[float, float]:
    """Milliseconds for an image and for a sentence."""
    model = open_clip.create_model(name).eval()
    tokens = open_clip.get_tokenizer(name)([SENTENCE])
    images = torch.randn(BATCH, 3, 224, 224)
    with torch.inference_mode():
        image = _milliseconds(lambda: model.encode_image(images)) / BATCH
        return image, _milliseconds(lambda: model.encode_text(tokens))


def _milliseconds(do: Callable[[], object]) -> float:
    do()  # the first time is a slow one
    taken = []
    for _ in range(TIMES):
        begun = time.process_time()
        do()
        taken.append(1000 * (time.process_time() - begun))
    return median(taken)


def _bytes_in_postgres() -> float:
    with scratch_postgres() as url:
        database = Database(url)
        upgrade(database)
        empty = _size(database)
        seed(database, PRODUCTS)
        size = _size(database)
        database.close()
    return (size - empty) / PRODUCTS


def _size(database: Database) -> int:
    with database.read() as session:
        return int(session.scalar(select(func.pg_database_size(func.current_database()))) or 0)
