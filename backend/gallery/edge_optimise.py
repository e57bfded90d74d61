"""Child process of `EdgeGallery.optimise`: `python -m backend.gallery.edge_optimise PATH KB KIND
PID`, with the kind of codes it shall have and the process id of its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import cast

import qdrant_edge as engine

from backend.gallery.edge_shard import REBUILT, shard_config, shard_dim
from backend.gallery.layout import QuantizationKind

_PR_SET_PDEATHSIG = 1


def main(path: str, threshold: int, kind: QuantizationKind, parent: int) -> None:
    """Optimise the closed shard at `path`, at low priority, as long as the process `parent` lives.

    Only what has more than `threshold` kilobytes of vectors outside the graph is built.
    """
    os.nice(10)
    if sys.platform == "linux":
        # An orphan would keep the shard locked against the restarted parent.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before that was asked for
            return
    optimizers = engine.EdgeOptimizersConfig(indexing_threshold=threshold)
    shard = engine.EdgeShard.load(path, shard_config(shard_dim(Path(path)), kind, optimizers))
    is_rebuilt = shard.optimize()
    shard.flush()
    shard.close()
    sys.stdout.write(REBUILT if is_rebuilt else "")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), cast(QuantizationKind, sys.argv[3]), int(sys.argv[4]))
