"""A child process that digests strangers' pictures: `python -m backend.encoding.decode_child`.

It reads requests from its standard input and answers on its standard output until the input ends.
Its only argument is a JSON object, see `ChildLimits`. Before the first picture it gives up what
decoding does not need: memory above a bound, writing files, most descriptors, cores, new rights.
It imports neither torch nor a database, and has no open file that a picture could reach.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

# All readers that may be needed: a failure to import one later would pass for a damaged picture.
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from backend.encoding.decode_frames import HEAD, framed
from backend.encoding.decoding import DecodeLimits, OpenPicture, open_image
from backend.encoding.preprocessing import Preprocessing
from backend.encoding.rendering import DRAFT, SIDES, render_opened
from backend.errors import AkinError

resource: ModuleType | None
try:
    import resource
except ImportError:  # a platform without limits: the parent's clock is what is left
    resource = None

READERS = (
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
OPEN_FILES = 16
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38

Answer = tuple[dict[str, Any], list[bytes]]


@dataclass(frozen=True)
class ChildLimits:
    """memory: bytes of address space for a picture; large_memory: for a large one; seconds: of
    processor time a picture; niceness: added to the parent's."""

    memory: int
    large_memory: int
    seconds: float
    niceness: int = 0


def main() -> None:
    limits = ChildLimits(**json.loads(sys.argv[1]))
    # Frames keep the pipe to themselves: a library that prints must not spoil them.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    give_up(limits)
    _write(answers, {"ready": True}, [])
    with suppress(BrokenPipeError, KeyboardInterrupt):
        while (request := _read(sys.stdin.buffer)) is not None:
            header, parts = _answer(*request, limits)
            _write(answers, {**header, "resident": _resident()}, parts)


def give_up(limits: ChildLimits) -> None:
    """Lower what this process may do; what a platform does not know is left out."""
    if hasattr(os, "nice"):
        os.nice(limits.niceness)
    if sys.platform == "linux":
        system = ctypes.CDLL(None)
        # Of the thread that started it, not of the process: the pool keeps that thread.
        system.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        system.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if resource is None:
        return
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)
    # No RLIMIT_NPROC: it counts all processes of the user, and the WebP reader needs a thread.
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    _lower(resource.RLIMIT_AS, limits.memory, limits.large_memory)


def _lower(kind: int, soft: int, hard: int | None = None) -> None:
    if resource is not None:
        with suppress(ValueError, OSError):  # above a limit that is in force already, or unknown
            resource.setrlimit(kind, (soft, soft if hard is None else hard))


def _resident() -> int:
    """Bytes of memory this process holds; 0 where the platform does not say."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _read(requests: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    head = requests.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    length, size = HEAD.unpack(head)
    header = json.loads(requests.read(length))
    data = requests.read(size)
    return (header, data) if len(data) == size else None


def _write(answers: BinaryIO, header: dict[str, Any], parts: list[bytes]) -> None:
    """In one piece, so that the parent wakes once."""
    answers.write(b"".join((framed(header, sum(len(part) for part in parts)), *parts)))
    answers.flush()


def _answer(request: dict[str, Any], data: bytes, limits: ChildLimits) -> Answer:
    large = bool(request["large"])
    _allow(limits, large)
    work, draft = _TASKS[request["task"]](request)
    try:
        allowed = DecodeLimits(**request["limits"])
        picture = open_image(data, allowed, draft=draft, name=request["name"])
        if picture.is_large and not large:
            return {"large": True}, []
        return work(picture)
    except AkinError as refusal:
        return {"refused": type(refusal).__name__, "sentence": refusal.sentence}, []
    except MemoryError:
        return {"failed": "memory"}, []
    except Exception:  # noqa: BLE001 - nothing that a stranger's bytes can raise may pass
        return {"failed": "stopped"}, []


def _allow(limits: ChildLimits, large: bool) -> None:
    if resource is None:
        return
    _lower(resource.RLIMIT_AS, limits.large_memory if large else limits.memory, limits.large_memory)
    if hasattr(signal, "setitimer"):
        # The kernel ends the child that goes on longer: should the parent's clock stand still. No
        # RLIMIT_CPU: it is of the child's whole life, and counted in ticks, which lead every other
        # clock by some seconds after some minutes of pictures.
        signal.setitimer(signal.ITIMER_PROF, limits.seconds + 2)


def _pixels(request: dict[str, Any]) -> tuple[Callable[[OpenPicture], Answer], int]:
    preprocessing = Preprocessing(**request["preprocessing"])
    return lambda picture: ({}, [preprocessing.planes(picture.load())]), preprocessing.draft


def _render(_: dict[str, Any]) -> tuple[Callable[[OpenPicture], Answer], int]:
    return _rendered, DRAFT


def _rendered(picture: OpenPicture) -> Answer:
    made = render_opened(picture)
    header = {
        "form": made.form,
        "width": made.width,
        "height": made.height,
        "sizes": [len(made.renditions[kind]) for kind in SIDES],
    }
    return header, [made.renditions[kind] for kind in SIDES]


_TASKS = {"pixels": _pixels, "render": _render}


if __name__ == "__main__":
    main()
