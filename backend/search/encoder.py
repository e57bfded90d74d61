"""The query side of a backbone: concurrent queries are encoded together, repeats not at all."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from threading import Condition
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from backend.clock import monotonic
from backend.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from backend.encoding.prompts import Prompt

Features = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
Tower = Literal["text", "prompt", "image"]
TOWERS: tuple[Tower, ...] = ("text", "prompt", "image")


class Towers(Protocol):
    """What the encoder needs of a backbone; all return un-normalised float32 (n, dim)."""

    def encode_images(self, pixels: Pixels) -> Features:
        """pixels: (n, 3, side, side), preprocessed."""
        ...

    def encode_texts(self, texts: list[str]) -> Features: ...

    def encode_prompts(
        self, prompts: Sequence[Prompt], pseudo: Features, texts: Sequence[str | None]
    ) -> Features:
        """pseudo: (n, width), one for each sentence."""
        ...


@dataclass(frozen=True)
class EncoderCounts:
    """What the encoder did since it started; requests = cache_hits + what went to a tower."""

    requests: int = 0
    cache_hits: int = 0
    tower_calls: int = 0
    tower_seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class _Request:
    tower: Tower
    key: str
    payload: Any  # a sentence, (3, side, side) pixels, or prompt, pseudo token and words
    asked_at: float
    answer: Future[Features] = field(default_factory=Future)


class QueryEncoder:
    """Encodes texts, prompts and pictures of queries; safe to call from any number of threads.

    One thread owns the model. It encodes up to `max_batch` requests at a time; those that arrive
    meanwhile form the next batch. While further queries are `coming`, a request waits for them, at
    most `window_ms`.
    The features of the last `cache_size` of them are kept; the same one asked twice at once is
    encoded once. A request whose encoding fails does not fail the others of its batch:
    each is tried again alone, and only its own caller gets its error. Failures are not kept.
    """

    def __init__(
        self,
        towers: Towers,
        *,
        window_ms: float = 3.0,
        max_batch: int = 32,
        cache_size: int = 4_096,
    ) -> None:
        self._towers = towers
        self._window = window_ms / 1_000
        self._max_batch = max_batch
        self._cache_size = cache_size
        self._changed = Condition()  # guards everything below
        self._known: OrderedDict[tuple[str, str], Future[Features]] = OrderedDict()
        self._waiting: list[_Request] = []
        self._coming = 0
        self._unanswered = 0
        self._closed = False
        self._counts = EncoderCounts()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="query-encoder")

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Inside, a query is on its way: those that are there already wait a little for it."""
        with self._changed:
            self._coming += 1
        try:
            yield
        finally:
            with self._changed:
                self._coming -= 1
                self._changed.notify_all()

    def encode_text(self, text: str) -> Features:
        """Un-normalised (dim,) features, read-only; raises Unavailable once closed."""
        return self._ask("text", text, text).result()

    def encode_texts(self, texts: Sequence[str]) -> Features:
        """Un-normalised (n, dim) features of n >= 1 texts, asked together."""
        if not texts:
            raise InvalidInput("There is no text to encode: give at least one.")
        with self._changed:  # so that nobody collects before all of them are there
            answers = [self._ask("text", text, text) for text in texts]
        return np.stack([answer.result() for answer in answers])

    def encode_prompts(
        self, prompt: Prompt, pseudo: Features, texts: Sequence[str | None]
    ) -> Features:
        """Un-normalised (n, dim) features of n >= 1 sentences, asked together.

        pseudo: (n, width), what stands in each sentence's place for a picture; texts: its words.
        """
        with self._changed:
            answers = [
                self._ask("prompt", _key(prompt, *row), (prompt, *row))
                for row in zip(pseudo, texts, strict=True)
            ]
        return np.stack([answer.result() for answer in answers])

    def encode_image(self, pixels: Pixels, key: str) -> Features:
        """Un-normalised (dim,) features of (3, side, side) pixels, read-only.

        key: the content hash of the picture. Raises Unavailable once closed.
        """
        return self._ask("image", key, pixels).result()

    @property
    def counts(self) -> EncoderCounts:
        """A snapshot of what was done so far."""
        with self._changed:
            return self._counts

    def close(self) -> None:
        """Answer what was asked, then stop the thread; later calls raise Unavailable."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._unanswered == 0)
        self._thread.shutdown()

    def _ask(self, tower: Tower, key: str, payload: Any) -> Future[Features]:
        with self._changed:
            if self._closed:
                raise Unavailable("The query encoder is shut down: start Akin again and retry.")
            self._count(requests=1)
            known = self._known.get((tower, key))
            if known is not None:
                self._known.move_to_end((tower, key))
                self._count(cache_hits=1)
                return known
            request = _Request(tower, key, payload, monotonic())
            self._admit(request)
            return request.answer

    def _admit(self, request: _Request) -> None:
        self._known[request.tower, request.key] = request.answer
        if len(self._known) > self._cache_size:
            self._known.popitem(last=False)
        self._unanswered += 1
        self._waiting.append(request)
        if len(self._waiting) == 1:  # whoever is first wakes the thread; the others join
            self._thread.submit(self._collect)
        self._changed.notify_all()

    def _collect(self) -> None:
        """On the model's thread: wait out the window, then line up one call per tower."""
        with self._changed:
            left = self._waiting[0].asked_at + self._window - monotonic()
            self._changed.wait_for(self._need_not_wait, timeout=max(left, 0))
            batch = self._waiting[: self._max_batch]
            self._waiting = self._waiting[self._max_batch :]
            for tower in TOWERS:
                self._line_up([request for request in batch if request.tower == tower])
            if self._waiting:
                self._thread.submit(self._collect)

    def _need_not_wait(self) -> bool:
        alone = self._coming == 0
        return alone or self._closed or len(self._waiting) >= self._max_batch

    def _line_up(self, batch: list[_Request]) -> None:
        """A future of its own carries what the tower raises to those who wait for it."""
        if batch:
            self._thread.submit(self._encode, batch).add_done_callback(
                partial(self._deliver, batch)
            )

    def _encode(self, batch: list[_Request]) -> list[Features]:
        started = monotonic()
        try:
            features = self._call_tower(batch)
        finally:
            with self._changed:
                self._count(tower_calls=1, tower_seconds=monotonic() - started)
        return [_kept(row) for _, row in zip(batch, features, strict=True)]

    def _call_tower(self, batch: list[_Request]) -> Features:
        payloads = [request.payload for request in batch]
        if batch[0].tower == "text":
            return self._towers.encode_texts(payloads)
        if batch[0].tower == "prompt":
            prompts, pseudo, texts = zip(*payloads, strict=True)
            return self._towers.encode_prompts(prompts, np.stack(pseudo), texts)
        return self._towers.encode_images(np.stack(payloads))

    def _deliver(self, batch: list[_Request], outcome: Future[list[Features]]) -> None:
        error = outcome.exception()
        if error is None:
            for request, features in zip(batch, outcome.result(), strict=True):
                request.answer.set_result(features)
        elif len(batch) > 1:
            for request in batch:
                self._line_up([request])
            return
        else:
            self._forget(batch[0])
            batch[0].answer.set_exception(error)
        self._answered(len(batch))

    def _forget(self, request: _Request) -> None:
        with self._changed:
            if self._known.get((request.tower, request.key)) is request.answer:
                del self._known[request.tower, request.key]

    def _answered(self, number: int) -> None:
        with self._changed:
            self._unanswered -= number
            self._changed.notify_all()

    def _count(self, **added: float) -> None:
        sums = {name: getattr(self._counts, name) + value for name, value in added.items()}
        self._counts = replace(self._counts, **sums)


def _key(prompt: Prompt, pseudo: Features, text: str | None) -> str:
    """Different for any two sentences that do not mean the same."""
    words = repr((prompt.template, text or "")).encode()
    return sha256(words + pseudo.tobytes()).hexdigest()


def _kept(row: Features) -> Features:
    """A read-only copy: it is shared by callers, and must not hold its whole batch in memory."""
    copy = np.array(row, dtype=np.float32)
    copy.setflags(write=False)
    return copy
