"""Unicode's forms, made of strangers' text.

Python puts a run of combining marks in order by insertion, in the square of its length and without
letting another thread run: a megabyte of marks would stop the process for an hour. No language
puts more than a few marks on a letter, and Unicode's own Stream-Safe Text Format (UAX #15, section
13) allows thirty in a run: text with longer ones is no writing, and stays as it is.
"""

from __future__ import annotations

import unicodedata
from itertools import groupby
from typing import Literal

MARKS = 30
_SHORT = 64  # characters; too few to take long in any order
# Are no marks themselves, and made of nothing else once they are taken apart.
_HIDDEN_MARKS = frozenset("\u0f73\u0f75\u0f81\uff9e\uff9f")


def normalised(form: Literal["NFC", "NFKD"], text: str) -> str:
    """The text in that form; as it is where it holds more than `MARKS` combining marks in a run."""
    if len(text) > _SHORT and not text.isascii() and _longest_run(text) > MARKS:
        return text
    return unicodedata.normalize(form, text)


def composed(text: str) -> str:
    """In Unicode's composed form (NFC), so that what looks the same is the same."""
    return normalised("NFC", text)


def _longest_run(text: str) -> int:
    runs = groupby(text, _is_mark)
    return max((sum(1 for _ in run) for is_mark, run in runs if is_mark), default=0)


def _is_mark(character: str) -> bool:
    return unicodedata.combining(character) != 0 or character in _HIDDEN_MARKS
