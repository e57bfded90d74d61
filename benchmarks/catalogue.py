"""The catalogue that the measurements share: drawn products in a running server."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.end_to_end.server import Server
from workers.datasets.wardrobe.dataset import write_dataset

PRODUCTS = 1500


def drawn(scratch: Path, products: int = PRODUCTS) -> Path:
    """The catalogue's folder."""
    folder = scratch / "wardrobe"
    write_dataset(folder, products, seed=11, size=320, processes=os.cpu_count() or 1)
    return folder


def filled(server: Server, folder: Path) -> float:
    """Import the folder; seconds until search could find everything."""
    begun = time.perf_counter()
    done = server.run("ingest", str(folder / "products.csv"))
    if done.returncode:
        raise RuntimeError(done.stderr)
    return time.perf_counter() - begun
