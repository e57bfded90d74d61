"""One question to an OpenAI-compatible vision endpoint, asked again where that may help."""

from __future__ import annotations

import asyncio
import base64
import math
import random
from itertools import count
from typing import Any

import httpx

from backend.errors import Unavailable
from workers.captioning.answers import Nonsense, read_answer, read_complaint
from workers.captioning.budget import Budget
from workers.captioning.endpoint_settings import PREFIX, EndpointSettings

_BUSY = frozenset({408, 425, 429})
_HOPELESS = frozenset({401, 402, 403, 404, 405})  # as hopeless for every other picture
_JITTER = 0.25  # so that those who failed together do not come back together


class NoCaption(Exception):
    """This picture gets none, others may; `str` says why, in words that end a sentence."""


class _Again(Exception):
    """It may go better later; `seconds` is what the endpoint asks to wait."""

    def __init__(self, trouble: str, seconds: float = 0.0) -> None:
        super().__init__(trouble)
        self.seconds = seconds


class Questions:
    """Asks about pictures over one client, within one budget."""

    def __init__(
        self, settings: EndpointSettings, client: httpx.AsyncClient, budget: Budget
    ) -> None:
        self._settings = settings
        self._client = client
        self._budget = budget

    async def ask(self, prompt: str, jpeg: bytes) -> str:
        """The caption of a picture.

        Raises NoCaption where the endpoint refuses the picture or keeps failing, Spent where the
        budget is used up, Unavailable where it will answer no question at all.
        """
        request = self._request(prompt, jpeg)
        for attempt in count(1):
            self._budget.take_request()
            try:
                return await self._once(request)
            except _Again as again:
                if attempt >= self._settings.attempts:
                    raise NoCaption(f"the endpoint {again}, attempt {attempt}") from again
                await asyncio.sleep(self._wait(attempt, again.seconds))
        raise AssertionError  # count does not end

    async def _once(self, request: dict[str, Any]) -> str:
        try:
            response, body = await self._send(request)
        except (TimeoutError, httpx.TimeoutException) as error:
            limit = f"{self._settings.timeout_seconds:g} s"
            raise _Again(f"gave no whole answer within {limit}") from error
        except httpx.TransportError as error:
            what = type(error).__name__
            raise _Again(f"could not be reached, or broke off ({what})") from error
        if response.status_code == httpx.codes.OK:
            return self._caption(body)
        raise self._refusal(response, body)

    async def _send(self, request: dict[str, Any]) -> tuple[httpx.Response, bytes]:
        """The answer, and its body as far as it may be read."""
        body = bytearray()
        async with (
            asyncio.timeout(self._settings.timeout_seconds),
            self._client.stream("POST", self._settings.address, json=request) as response,
        ):
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > self._settings.max_answer_bytes:
                    raise _Again(f"answered more than {self._settings.max_answer_bytes:,} bytes")
        return response, bytes(body)

    def _caption(self, body: bytes) -> str:
        try:
            answer = read_answer(body)
        except Nonsense as error:
            self._budget.use_tokens(self._settings.answer_tokens)
            raise _Again(f"answered {error}") from error
        uncounted = answer.tokens is None
        self._budget.use_tokens(self._settings.answer_tokens if uncounted else answer.tokens or 0)
        return answer.text

    def _refusal(self, response: httpx.Response, body: bytes) -> Exception:
        status = response.status_code
        if status in _BUSY or status >= 500:
            asked = _seconds(response.headers.get("retry-after", ""))
            return _Again(f"answered with status {status}", asked)
        words = self._without_key(read_complaint(body))
        told = f"status {status}{f': {words}' if words else ''}"
        if status in _HOPELESS or status < 400:
            return Unavailable(
                f"The vision endpoint {self._settings.url} answers no question ({told}): check "
                f"{PREFIX}URL, {PREFIX}MODEL and {PREFIX}KEY."
            )
        return NoCaption(f"the endpoint refused it ({told})")

    def _without_key(self, words: str) -> str:
        key = self._settings.key
        secret = key.get_secret_value() if key else ""
        return words.replace(secret, "***") if secret else words

    def _wait(self, attempt: int, asked: float) -> float:
        """Seconds before the next attempt: twice as long each time, and what was asked for."""
        backoff = self._settings.backoff_seconds * 2.0 ** (attempt - 1)
        longer = max(asked, backoff * random.uniform(1 - _JITTER, 1 + _JITTER))
        return min(longer, self._settings.longest_wait_seconds)

    def _request(self, prompt: str, jpeg: bytes) -> dict[str, Any]:
        picture = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
        content = [
            {"type": "text", "text": prompt},
            {"type": "image_url", "image_url": {"url": picture}},
        ]
        return {
            "model": self._settings.model,
            "messages": [{"role": "user", "content": content}],
            "temperature": self._settings.temperature,
            "top_p": self._settings.top_p,
            "max_tokens": self._settings.answer_tokens,
        }


def _seconds(header: str) -> float:
    """A Retry-After in seconds; 0 for a date, which no model server sends, and for nonsense."""
    try:
        seconds = float(header)
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0
