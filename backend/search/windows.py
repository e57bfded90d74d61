"""What a search found, kept for a while so that its pages are slices of one answer (Decision 6)."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from backend import clock
from backend.composition.composer import QueryFeatures
from backend.composition.explanation import Compose
from backend.errors import NotFound
from backend.gallery.filters import Filter
from backend.search.reference import KeptReference

LIFETIME = 600.0  # seconds
CAPACITY = 500  # windows; a full one takes 140 KB


class Group(NamedTuple):
    """One product in a window: its best image, that image's score, and how many images matched.

    A tuple, because a quarter of a million of them may be kept, and the garbage collector does not
    go through tuples of numbers and strings.
    """

    product_id: str
    image_id: str
    score: float
    matched_images: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What a search was asked in words, and who answered: what feedback on it has to know."""

    text: str
    without: tuple[str, ...]
    strength: float
    version_id: str
    gallery_id: str


@dataclass(frozen=True, eq=False, slots=True)
class Window:
    """One search: what was found, best first, and what was asked, to explain and to count."""

    groups: tuple[Group, ...]
    features: QueryFeatures
    compose: Compose
    composer: str
    filter: Filter
    reference: KeptReference | None
    text_cut: bool
    asked: Asked
    unseen_words: tuple[str, ...] = ()


class Windows:
    """Windows by search id; safe to use from any number of threads.

    A window is kept for ten minutes after it was last asked for, or until five hundred others were.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, Window]] = OrderedDict()  # by time of last use

    def __len__(self) -> int:
        with self._lock:
            return len(self._kept)

    def __contains__(self, search_id: str) -> bool:
        with self._lock:
            self._drop_expired()
            return search_id in self._kept

    def keep(self, window: Window) -> str:
        """Keep a window; its search id, which cannot be guessed."""
        search_id = secrets.token_urlsafe(16)
        with self._lock:
            self._put_last(search_id, window)
        return search_id

    def get(self, search_id: str) -> Window:
        """The window kept under this id; raises NotFound once it is gone."""
        with self._lock:
            self._drop_expired()
            kept = self._kept.get(search_id)
            if kept is None:
                raise NotFound(
                    "This search is no longer kept (results stay for ten minutes): search again."
                )
            self._put_last(search_id, kept[1])
        return kept[1]

    def _put_last(self, search_id: str, window: Window) -> None:
        self._kept[search_id] = (clock.monotonic(), window)
        self._kept.move_to_end(search_id)
        self._drop_expired()
        if len(self._kept) > self._capacity:
            self._kept.popitem(last=False)

    def _drop_expired(self) -> None:
        oldest_allowed = clock.monotonic() - LIFETIME
        while self._kept and next(iter(self._kept.values()))[0] < oldest_allowed:
            self._kept.popitem(last=False)
