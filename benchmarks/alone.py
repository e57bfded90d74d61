"""Work in a process of its own: what it takes where nothing was freed that it could use again."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

PROCESS = Path("/proc/self")
FORGET_PEAK = "5"  # proc(5), clear_refs


@dataclass(frozen=True)
class Spent:
    """seconds of the work; megabytes that it held at most besides what was there before it."""

    seconds: float
    megabytes: float


def alone(make: Callable[[], Any], work: str) -> Spent:
    """Calls the method `work` of what `make` makes, both in a new process. Linux alone."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_measured, make, work).result()


def _measured(make: Callable[[], Any], work: str) -> Spent:
    method = getattr(make(), work)
    ctypes.CDLL(None).malloc_trim(0)
    (PROCESS / "clear_refs").write_text(FORGET_PEAK)
    before, begun = _resident("VmRSS"), time.perf_counter()
    kept = method()  # what is made counts, so it lives until the peak is read
    seconds = time.perf_counter() - begun
    spent = Spent(seconds, _resident("VmHWM") - before)
    del kept
    return spent


def _resident(which: str) -> float:
    """MB of physical memory: VmRSS now, VmHWM at most."""
    lines = (PROCESS / "status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith(f"{which}:"))
    return int(kilobytes) / 1024
