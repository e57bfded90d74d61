"""What an OpenAI-compatible endpoint answers: the sentence in it, and what it cost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeGuard

from workers.captioning.captions import tidy

_QUOTED = 200  # characters of an endpoint's own words that a sentence quotes


class Nonsense(ValueError):
    """Not what a chat completion is; `str` says in a few words what it is instead."""


@dataclass(frozen=True)
class Answer:
    """The caption, and the tokens of question and answer where the endpoint counts them."""

    text: str
    tokens: int | None


def read_answer(body: bytes) -> Answer:
    """The first choice of a chat completion. Raises Nonsense for anything else."""
    completion = _json(body)
    try:
        content = completion["choices"][0]["message"]["content"]
    except (LookupError, TypeError) as error:
        raise Nonsense("JSON that is no chat completion") from error
    if not isinstance(content, str) or not (text := tidy(content)):
        raise Nonsense("no words")
    return Answer(text, _tokens(completion))


def read_complaint(body: bytes) -> str:
    """The endpoint's own words about what is wrong, on one line and short; "" if it has none."""
    try:
        complaint = _json(body)
    except Nonsense:
        return ""
    told = complaint.get("error", complaint.get("detail")) if _is_object(complaint) else None
    message = told.get("message") if _is_object(told) else told
    return tidy(message)[:_QUOTED] if isinstance(message, str) else ""


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Nonsense("something that is no JSON") from error


def _tokens(completion: Any) -> int | None:
    usage = completion.get("usage")
    total = usage.get("total_tokens") if _is_object(usage) else None
    return total if isinstance(total, int) and not isinstance(total, bool) and total >= 0 else None


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)
