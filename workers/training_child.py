"""The child process of a training task: `python -m workers.training_child`.

It gives way to everything else on the machine, holds no database and no gallery, and lives no
longer than its task: its standard input is a pipe that says what to do and when to stop, and whose
end, however the parent came to it, ends the child at once. What it does, it tells a line at a time.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO

from filelock import FileLock, Timeout

from backend.errors import AkinError, InvalidInput, Unavailable
from workers.training_reports import Reports, StopAsked
from workers.training_spec import (
    DO,
    STOP,
    WORK,
    Ended,
    EvaluateWork,
    MeasureWork,
    Refused,
    TrainWork,
    Work,
)

NICENESS = 10
LOCK = ".lock"
LOCK_SECONDS = 30.0
"""So long a run waits for the child of a worker that lost its lease to end."""
_PR_SET_PDEATHSIG = 1


def main() -> None:
    pipe = _own_pipe()
    _give_way()
    works: SimpleQueue[bytes] = SimpleQueue()
    stop = threading.Event()
    threading.Thread(target=_listen, args=(works, stop), name="parent", daemon=True).start()
    while True:
        reports = Reports(pipe, stop)
        end = _done(WORK.validate_json(works.get()), reports)
        _give_back()
        reports.tell(end)


def _done(work: Work, reports: Reports) -> Ended | Refused:
    try:
        return _train(work, reports) if isinstance(work, TrainWork) else _measure(work, reports)
    except StopAsked:
        return Ended(stopped="cancelled")
    except AkinError as error:
        return Refused(sentence=error.sentence, passing=isinstance(error, Unavailable))


def _give_back() -> None:
    """The memory of a work, before its end is told: the next one needs it."""
    import torch

    gc.collect()
    torch.cuda.empty_cache()  # nothing, where CUDA was not used


def _train(work: TrainWork, reports: Reports) -> Ended:
    from workers.training_segment import train_segment

    with _alone(work.out), _memory_told():
        return train_segment(work, reports)


def _measure(work: MeasureWork, reports: Reports) -> Ended:
    from workers.training_comparison import compare_versions
    from workers.training_figures import evaluate_versions

    with _memory_told():
        if isinstance(work, EvaluateWork):
            return evaluate_versions(work, reports)
        return compare_versions(work, reports)


def _own_pipe() -> BinaryIO:
    """Reports keep the pipe to themselves: a library that prints must not spoil them."""
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return pipe


def _give_way() -> None:
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    # The terminal's Ctrl-C is for the parent, which asks to stop and waits.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":  # the pipe's end says it too, but needs the interpreter's lock
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _listen(works: SimpleQueue[bytes], stop: threading.Event) -> None:
    # Unbuffered: no lock is held at the exit.
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as said:
        for line in said:
            if line.startswith(DO):
                stop.clear()  # what was said before was meant for the work before
                works.put(line.removeprefix(DO))
            elif line == STOP:
                stop.set()
    os._exit(3)  # the parent is gone, and with it the right to work


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two children must not write the same checkpoints; the system frees the lock of a dead one."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout as error:
        raise Unavailable(
            f"Another process still trains in {folder}: wait until it has ended."
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _memory_told() -> Iterator[None]:
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise InvalidInput(
            "The memory does not hold this training: give it a smaller batch, or a chunk where "
            "the recipe has one, or another device."
        ) from error


if __name__ == "__main__":
    main()
