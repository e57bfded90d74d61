"""The folder of one Qdrant Edge shard: made, loaded, optimised."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import qdrant_edge as engine

import backend
from backend import disk_space
from backend.errors import AkinError, Conflict, NoSpace, SetupError, Unavailable
from backend.gallery.edge_failures import engine_failures
from backend.gallery.edge_translation import index_operation, quantization_config
from backend.gallery.filters import BUILT_IN_KEYS
from backend.gallery.layout import QuantizationKind

CONFIG_FILE = "edge_config.json"
TEMP_SEGMENTS = "temp_segments"  # where the engine builds, and what a killed one leaves
LOOK_SECONDS = 0.2
DEAD_ROOM = 128 * 2**20  # bytes; the engine makes room by 32 MB
WANTED_FREE = 2  # times the segments' bytes, says the engine; it wrote 1.02 to 1.13 times as many
REBUILT = "rebuilt"  # the child's word for it


def make_shard(path: Path, dim: int, kind: QuantizationKind = "none") -> None:
    path.mkdir()
    shard = engine.EdgeShard.create(str(path), shard_config(dim, kind))
    for key in BUILT_IN_KEYS:
        shard.update(index_operation(key, "keyword"))
    shard.flush()
    shard.close()


def shard_config(dim: int, kind: QuantizationKind, optimizers: Any = None) -> Any:
    vectors = engine.EdgeVectorParams(
        size=dim, distance=engine.Distance.Cosine, quantization_config=quantization_config(kind)
    )
    return engine.EdgeConfig(vectors=vectors, optimizers=optimizers)


def load_shard(path: Path, kind: QuantizationKind) -> Any:
    """Open the shard; points written from now on get codes of `kind`."""
    dim = shard_dim(path)
    # What a killed `optimize` leaves behind stops the engine from loading.
    shutil.rmtree(path / TEMP_SEGMENTS, ignore_errors=True)
    with engine_failures(lambda reason: _not_loaded(path, reason)):
        return engine.EdgeShard.load(str(path), shard_config(dim, kind))


def shard_dim(path: Path) -> int:
    try:
        config = json.loads((path / CONFIG_FILE).read_text())
        return int(config["vectors"][""]["size"])
    except (ValueError, LookupError, TypeError) as error:
        raise _unreadable(path, f"{CONFIG_FILE} is not understood") from error


def _not_loaded(path: Path, reason: str) -> AkinError:
    if "WouldBlock" not in reason:
        return _unreadable(path, reason)
    return Conflict(
        f"Gallery '{path.name}' in {path.parent} is open in another process: "
        "stop that one, or use another data folder."
    )


def _unreadable(path: Path, reason: str) -> SetupError:
    shown = reason[-300:]
    if "os error" in shown:  # the system's own, such as permission denied
        return SetupError(
            f"Gallery '{path.name}' cannot be opened (…{shown[-150:]}): make {path} readable and "
            "writable, then start again."
        )
    return SetupError(
        f"Gallery '{path.name}' is damaged or of a newer version of Akin ({shown}): start that "
        f"version, or delete {path}, and the next start embeds the catalogue anew."
    )


def is_mostly_dead(path: Path, points: int) -> bool:
    """Whether deleted vectors take more room than those of `points` that live, and a lot of it.

    Below its graph's size the engine gives their room back only when it is told to optimise.
    """
    held = _bytes(path.glob("segments/*/vector_storage/**/*"))
    return held > 2 * points * shard_dim(path) * 4 + DEAD_ROOM


def check_room_to_optimise(path: Path) -> None:
    """Raises `NoSpace` where the engine would find no room to write the segments anew.

    It looks itself, but only once the shard is closed, and to load it again takes room as well.
    """
    needed = WANTED_FREE * _bytes(path.glob("segments/**/*")) + disk_space.GALLERY_RESERVE
    free = shutil.disk_usage(path).free
    if free < needed:
        raise NoSpace(
            f"Gallery '{path.name}' is searched as it is: to optimise it takes {needed // 2**20:,} "
            f"MB of its disk, and {free // 2**20:,} MB are free: make room, then start again."
        )


def optimise_shard(
    path: Path, outside: int, kind: QuantizationKind, begun: Callable[[], None]
) -> None:
    """Build the search graph of the closed shard in a child process, if more than about `outside`
    points are not in it or its codes are not of `kind`. `begun` is called once if there is
    something to do, as soon as it is seen.

    Raises `Unavailable` if the child fails; the shard is then as it was.
    """
    threshold = outside * shard_dim(path) * 4 // 1024
    module, own = "backend.gallery.edge_optimise", os.getpid()
    command = [sys.executable, "-m", module, path.resolve(), threshold, kind, own]
    with subprocess.Popen(
        list(map(str, command)),
        cwd=Path(backend.__file__).parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            is_told = _told_when_building(child, path / TEMP_SEGMENTS, begun)
            said, complaint = child.communicate()
        except BaseException:
            child.kill()
            raise
    if child.returncode != 0:
        reason = complaint.strip().splitlines()[-1:] or [f"exit code {child.returncode}"]
        raise Unavailable(
            f"Gallery '{path.name}' could not be optimised ({reason[0]}): it is still searched "
            "exactly; free memory and disk, then optimise again."
        )
    if said == REBUILT and not is_told:
        begun()


def _told_when_building(
    child: subprocess.Popen[str], building: Path, begun: Callable[[], None]
) -> bool:
    """Wait until the child builds, and tell; False if it ended without having been seen at it."""
    while child.poll() is None:
        if building.is_dir() and any(building.iterdir()):
            begun()
            return True
        with suppress(subprocess.TimeoutExpired):
            child.wait(LOOK_SECONDS)
    return False


def _bytes(files: Iterable[Path]) -> int:
    """On the disk: the engine's files have holes."""
    return sum(file.stat().st_blocks * 512 for file in files)
