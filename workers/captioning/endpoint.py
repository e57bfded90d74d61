"""Captions from any OpenAI-compatible vision endpoint: vLLM, Ollama, a hosted one."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from backend.encoding.decoding import decode_image
from backend.errors import AkinError, Unavailable
from workers.captioning.asking import NoCaption, Questions
from workers.captioning.budget import Budget, Spent
from workers.captioning.caption_cache import CaptionCache
from workers.captioning.captions import Cancelled, Captions, Report
from workers.captioning.endpoint_settings import EndpointSettings
from workers.captioning.prompts import prompt

POLL_SECONDS = 0.1
GIVE_UP = 20  # pictures in a row that the endpoint failed on
_QUALITY = 85


@dataclass
class _Run:
    """What the questioners of one run share."""

    names: Iterator[str]
    questions: Questions
    texts: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    in_a_row: int = 0

    @property
    def done(self) -> int:
        return len(self.texts) + len(self.failed)


class EndpointCaptioner:
    """Asks "please briefly describe the {category} in {words} words" of each picture.

    Answers are kept on disk, and no question is sent twice for the same picture, model and prompt.
    Pictures that fail are named with the reason; after `GIVE_UP` in a row the run ends with
    Unavailable, which says the last of them. `budget` tells what was spent.
    """

    name = "endpoint"

    def __init__(self, settings: EndpointSettings, cache: CaptionCache, words: int = 10) -> None:
        self._settings = settings
        self._cache = cache
        self._words = words
        self.budget = Budget(settings.max_requests, settings.max_tokens)

    def caption(
        self,
        pictures: Mapping[str, Path],
        categories: Mapping[str, str],
        report: Report,
        cancelled: Cancelled,
    ) -> Captions:
        """As `Captioner.caption`; raises Unavailable where the endpoint answers no question."""
        return asyncio.run(self._caption_all(pictures, categories, report, cancelled))

    async def _caption_all(
        self,
        pictures: Mapping[str, Path],
        categories: Mapping[str, str],
        report: Report,
        cancelled: Cancelled,
    ) -> Captions:
        async with self._client() as client:
            run = _Run(iter(pictures), Questions(self._settings, client, self.budget))
            asking = {
                asyncio.create_task(self._ask_on(run, pictures, categories))
                for _ in range(self._settings.concurrency)
            }
            complete = False
            try:
                complete = await _finished(asking, run, len(pictures), report, cancelled)
            finally:
                for task in asking:
                    task.cancel()
                await asyncio.gather(*asking, return_exceptions=True)
        return Captions(run.texts, run.failed, complete)

    async def _ask_on(
        self, run: _Run, pictures: Mapping[str, Path], categories: Mapping[str, str]
    ) -> None:
        """Ask about one picture after the other until there is none left."""
        for name in run.names:
            question = prompt(categories.get(name), self._words)
            try:
                run.texts[name] = await self._ask(run.questions, pictures[name], question)
                run.in_a_row = 0
            except Spent as reason:
                run.failed[name] = str(reason)
            except NoCaption as reason:
                run.failed[name] = str(reason)
                run.in_a_row += 1
                if run.in_a_row >= GIVE_UP:
                    raise Unavailable(self._given_up(str(reason))) from reason
            except Unreadable as reason:
                run.failed[name] = str(reason)

    async def _ask(self, questions: Questions, path: Path, question: str) -> str:
        data = await asyncio.to_thread(_read, path)
        key = (hashlib.sha256(data).hexdigest(), self._settings.model, question)
        kept = self._cache.get(key)
        if kept is not None:
            return kept
        jpeg = await asyncio.to_thread(_shrunk, data, self._settings.side, str(path))
        text = await questions.ask(question, jpeg)
        self._cache.put(key, text)
        return text

    def _given_up(self, reason: str) -> str:
        return (
            f"The vision endpoint {self._settings.url} failed on {GIVE_UP} pictures in a row, on "
            f"the last because {reason}: see to it and run again; the captions so far are kept."
        )

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[httpx.AsyncClient]:
        key = self._settings.key
        # Compressed answers could grow beyond their bound while they are unpacked.
        headers = {"accept-encoding": "identity"}
        if key is not None:
            headers["authorization"] = f"Bearer {key.get_secret_value()}"
        limits = httpx.Limits(max_connections=self._settings.concurrency)
        timeout = httpx.Timeout(self._settings.timeout_seconds)
        async with httpx.AsyncClient(headers=headers, limits=limits, timeout=timeout) as client:
            yield client


async def _finished(
    asking: set[asyncio.Task[None]], run: _Run, total: int, report: Report, cancelled: Cancelled
) -> bool:
    """Whether all were asked; false as soon as it is cancelled. Raises what ended a questioner."""
    waiting = set(asking)
    while waiting:
        ended, waiting = await asyncio.wait(
            waiting, timeout=POLL_SECONDS, return_when=asyncio.FIRST_EXCEPTION
        )
        for task in ended:
            task.result()
        report("captions", run.done, total)
        if waiting and cancelled():
            return False
    return True


class Unreadable(Exception):
    """The picture cannot be read here; `str` says why."""


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path} cannot be read ({error.strerror})") from error


def _shrunk(data: bytes, side: int, name: str) -> bytes:
    """A JPEG no larger than `side`, without metadata."""
    try:
        image = decode_image(data, draft=side, name=name)
    except AkinError as error:
        raise Unreadable(error.sentence) from error
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
