"""The folder of one Qdrant Edge shard: made, loaded, optimised."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import qdrant_edge as engine

import backend
from backend.errors import Conflict, Unavailable
from backend.gallery.edge_translation import index_operation
from backend.gallery.filters import BUILT_IN_KEYS

CONFIG_FILE = "edge_config.json"


def make_shard(path: Path, dim: int) -> None:
    vectors = engine.EdgeVectorParams(size=dim, distance=engine.Distance.Cosine)
    path.mkdir()
    shard = engine.EdgeShard.create(str(path), engine.EdgeConfig(vectors=vectors))
    for key in BUILT_IN_KEYS:
        shard.update(index_operation(key, "keyword"))
    shard.flush()
    shard.close()


def load_shard(path: Path) -> Any:
    # What a killed `optimize` leaves behind stops the engine from loading.
    shutil.rmtree(path / "temp_segments", ignore_errors=True)
    try:
        return engine.EdgeShard.load(str(path))
    except Exception as error:  # the engine raises nothing narrower
        if "WouldBlock" not in str(error):
            raise
        raise Conflict(
            f"Gallery '{path.name}' in {path.parent} is open in another process: "
            "stop that one, or use another data folder."
        ) from error


def shard_dim(path: Path) -> int:
    config = json.loads((path / CONFIG_FILE).read_text())
    return int(config["vectors"][""]["size"])


def optimise_shard(path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-m", "backend.gallery.edge_optimise", str(path.resolve())],
        cwd=Path(backend.__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode != 0:
        reason = child.stderr.strip().splitlines()[-1:] or [f"exit code {child.returncode}"]
        raise Unavailable(
            f"Gallery '{path.name}' could not be optimised ({reason[0]}): it is still searched "
            "exactly; free memory and disk, then optimise again."
        )
