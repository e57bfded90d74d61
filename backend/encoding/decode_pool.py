"""Strangers' pictures are decoded here: in a pool of child processes with limits.

A picture can make its child crash, hang or ask for memory without end. It loses nothing but itself:
the child is ended and replaced, the caller gets a sentence, and all others go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from backend.encoding.decode_children import Children
from backend.encoding.decode_process import (
    ChildGone,
    ChildOverdue,
    ChildStopped,
    DecodeProcess,
    Reply,
)
from backend.encoding.decode_replies import (
    MAX_RENDITIONS,
    ChildFull,
    NeedsRoom,
    read_planes,
    read_rendered,
)
from backend.encoding.decode_turns import Turns, busy, shut_down
from backend.encoding.decoding import DecodeLimits, check_size
from backend.encoding.preprocessing import Preprocessing
from backend.encoding.rendering import Rendered
from backend.errors import TooLarge, UnsupportedImage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MiB = 1024 * 1024
MEMORY, LARGE_MEMORY = 1024 * MiB, 2304 * MiB
"""Bytes of address space of a child, and of the one that has a large picture: a WebP file of a
hundred million pixels takes 0.9 GiB to open, and 1.9 to decode."""

GROWN = 256 * MiB
"""A child that holds more than so many bytes when it is done is replaced."""

Made = TypeVar("Made")


class DecodePool:
    """At most `processes` children, started when first needed; safe to call from any thread.

    Each has `memory` bytes of address space. A large picture needs more: it is decoded with
    `large_memory`, one at a time, so that all together stay below (processes - 1) * memory +
    large_memory. A picture gets `seconds` of wall time from when a child takes it. Callers are
    served in the order they come; one that has waited `patience` seconds is turned away.
    """

    def __init__(
        self,
        processes: int,
        limits: DecodeLimits = DecodeLimits(),
        *,
        seconds: float = 20.0,
        patience: float | None = None,
        niceness: int = 0,
        memory: int = MEMORY,
        large_memory: int = LARGE_MEMORY,
    ) -> None:
        self._limits, self._seconds, self._patience = limits, seconds, patience
        self._children = Children(
            {
                "memory": memory,
                "large_memory": large_memory,
                "seconds": seconds,
                "niceness": niceness,
            }
        )
        self._turns = Turns(processes, patience)
        self._one_large = threading.Lock()

    def pixels(
        self, data: bytes, preprocessing: Preprocessing, *, name: str = "the file"
    ) -> NDArray[np.uint8]:
        """What a tower sees of the picture in `data`: (3, size, size), not yet normalised.

        Raises:
            UnsupportedImage, TooLarge: as `decode_image` does, and where the picture takes too
                long, needs too much memory or makes the child stop.
            Unavailable: if the pool is closed, no child starts, or none became free in time.
        """
        side = preprocessing.size
        task = {"task": "pixels", "preprocessing": asdict(preprocessing)}
        read = partial(read_planes, side=side)
        return self._decoded(task, data, name, 3 * side * side, read)

    def render(self, data: bytes, *, name: str = "the file") -> Rendered:
        """The facts and the renditions of the picture in `data`; raises as `pixels` does."""
        read = partial(read_rendered, limits=self._limits)
        return self._decoded({"task": "render"}, data, name, MAX_RENDITIONS, read)

    def warm_up(self) -> None:
        """Start a child, so that the first caller does not wait for it."""
        with self._lent():
            pass

    def children(self) -> list[int]:
        """The process ids of the children that live."""
        return self._children.pids()

    def close(self) -> None:
        """End all children; who waits for one, and who calls later, gets Unavailable."""
        idle = self._turns.close()
        self._children.close()  # who waits for an answer gets none, and ends its child
        for child in idle:
            self._children.end(child)

    def _decoded(
        self,
        task: dict[str, Any],
        data: bytes,
        name: str,
        max_payload: int,
        read: Callable[[Reply], Made],
    ) -> Made:
        check_size(data, self._limits, name=name)
        request = {**task, "name": name, "limits": asdict(self._limits), "large": False}

        def asked(**more: Any) -> Made:
            return self._asked({**request, **more}, data, max_payload, read)

        with self._told(name):
            try:
                return asked()
            except NeedsRoom:
                with self._alone():
                    return asked(large=True)

    def _asked(
        self,
        request: dict[str, Any],
        data: bytes,
        max_payload: int,
        read: Callable[[Reply], Made],
    ) -> Made:
        try:
            with self._lent() as child:
                return read(child.ask(request, data, self._seconds, max_payload))
        except ChildGone:  # through no fault of the picture: once more, with a child of its own
            with self._lent(fresh=True) as child:
                return read(child.ask(request, data, self._seconds, max_payload))

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """What a child failed at, as a sentence."""
        try:
            yield
        except ChildOverdue as error:
            fate = f"could not be decoded within {self._seconds:g} seconds"
            raise _lost(name, fate) from error
        except ChildFull as error:
            raise _lost(name, "needs more memory to decode than is allowed") from error
        except (ChildStopped, ChildGone, NeedsRoom) as error:
            if self._children.closed:
                raise shut_down() from error
            raise _lost(name, "made the decoder stop") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._one_large.acquire(timeout=-1 if self._patience is None else self._patience):
            raise busy()
        try:
            yield
        finally:
            self._one_large.release()

    @contextmanager
    def _lent(self, *, fresh: bool = False) -> Iterator[DecodeProcess]:
        """A child for one request; it outlives refusals, but no failure, nor too much memory.

        Who killed one child may have killed them all, and one that is about to die looks alive:
        a `fresh` child is one that was started just now.
        """
        child = self._turns.take()
        fit = False
        try:
            if child is None or fresh:
                self._children.end(child)
                child = self._children.start()
            yield child
            fit = child.resident <= GROWN
        except (UnsupportedImage, TooLarge, NeedsRoom):
            fit = True
            raise
        finally:
            if not (fit and self._turns.give_back(child)):
                self._children.end(child)
            if not fit:
                self._turns.give_back(None)


def _lost(name: str, fate: str) -> UnsupportedImage:
    return UnsupportedImage(f"The picture in {name} {fate}: save it anew as JPEG or PNG.")
