"""Whose turn it is to have a decoding child: first come, first served."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future

from backend.encoding.decode_process import DecodeProcess
from backend.errors import Unavailable

Slot = DecodeProcess | None  # a child, or the right to start one


class Turns:
    """Lends a fixed number of slots, each to one caller at a time; for any thread."""

    def __init__(self, slots: int, patience: float | None) -> None:
        """patience: seconds after which a caller that got no slot is turned away."""
        self._patience = patience
        self._lock = threading.Lock()  # guards everything below
        self._free: deque[Slot] = deque([None] * slots)
        self._waiting: deque[Future[Slot]] = deque()
        self._closed = False

    def take(self) -> Slot:
        """A slot that is to be given back; one with a child before one without.

        Raises Unavailable once closed, and when none became free in time.
        """
        with self._lock:
            if self._closed:
                raise shut_down()
            if self._free:
                return self._free.pop()
            turn: Future[Slot] = Future()
            self._waiting.append(turn)
        try:
            return turn.result(self._patience)
        except TimeoutError:
            return self._late(turn)

    def give_back(self, slot: Slot) -> bool:
        """Hand a slot on; False once closed: its child is then to be ended."""
        with self._lock:
            if self._closed:
                return False
            if self._waiting:
                self._waiting.popleft().set_result(slot)
            elif slot is None:
                self._free.appendleft(slot)
            else:
                self._free.append(slot)
            return True

    def close(self) -> list[DecodeProcess]:
        """The children that nobody has; who waits gets Unavailable. A second time: none."""
        with self._lock:
            self._closed = True
            children = [slot for slot in self._free if slot is not None]
            self._free.clear()
            while self._waiting:
                self._waiting.popleft().set_exception(shut_down())
        return children

    def _late(self, turn: Future[Slot]) -> Slot:
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
                raise busy()
        return turn.result()  # it came in the same moment


def busy() -> Unavailable:
    """What is said to a caller that waited too long."""
    return Unavailable("There are too many pictures to decode at the moment: try again soon.")


def shut_down() -> Unavailable:
    """What is said once the pool is closed."""
    return Unavailable("The picture decoder is shut down: start Akin again and retry.")
