"""Child process of `EdgeGallery.optimise`: `python -m backend.gallery.edge_optimise PATH`."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

import qdrant_edge as engine

_PR_SET_PDEATHSIG = 1


def main(path: str) -> None:
    """Optimise the closed shard at `path`, at low priority."""
    os.nice(10)
    if sys.platform == "linux":
        # An orphan would keep the shard locked against the restarted parent.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    shard = engine.EdgeShard.load(path)
    shard.optimize()
    shard.flush()
    shard.close()


if __name__ == "__main__":
    main(sys.argv[1])
