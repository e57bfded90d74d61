"""Files of triplets: FashionIQ's and CIRR's JSON, and Akin's own `triplets.jsonl`.

One reader for all three, since a row says by its keys what it is. Whatever is wrong with a row is
a sentence for the report; whatever is wrong with the file is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.catalogue.json_lines import json_records
from backend.errors import InvalidInput, TooLarge
from backend.feedback.schemas import TripletFormat

MAX_BYTES = 32 * 1024**2
"""The largest published file has 20 MB."""
MAX_ROWS = 50_000
MAX_SENTENCES = 10  # in a row
MAX_SENTENCE = 2_000  # characters
MAX_NAME = 400

KEYS: Mapping[TripletFormat, tuple[str, str, str]] = {
    "fashioniq": ("candidate", "target", "captions"),
    "cirr": ("reference", "target_hard", "caption"),
    "akin": ("reference", "target", "captions"),
}
"""What each format calls reference, target and sentences."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file: the names of both sides, and what leads from one to the other."""

    number: int
    reference: str
    target: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that is no triplet, and why, in words that end a sentence."""

    number: int
    reason: str


def read_file(data: bytes, name: str) -> tuple[TripletFormat, list[Row | Refusal]]:
    """The format of the file, told by its first row that has one, and its rows.

    Raises:
        TooLarge: for more bytes or rows than are read at once.
        InvalidInput: for a file that is no text, no JSON, or holds no triplet at all.
    """
    if len(data) > MAX_BYTES:
        raise TooLarge(f"{name} has more than {MAX_BYTES:,} bytes: split it, and send the parts.")
    records = list(_records(_text(data, name), name))
    if len(records) > MAX_ROWS:
        raise TooLarge(f"{name} has {len(records):,} rows, and {MAX_ROWS:,} are read at once: "
                       "split it, and send the parts.")  # fmt: skip
    found = (_format(values) for _, values, _ in records)
    form = next((one for one in found if one is not None), None)
    if form is None:
        raise InvalidInput(
            f"{name} holds no triplet: a row has candidate, target and captions (FashionIQ), "
            "reference, target_hard and caption (CIRR), or reference, target and captions."
        )
    return form, [_row(*record) for record in records]


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name}, byte {error.start}: it is not UTF-8: save it as that.") from (
            error
        )


def _records(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Any], str | None]]:
    """Number, values and problem of each row: counted from 0 in a list, lines from 1."""
    if not text.lstrip().startswith("["):
        yield from json_records(text.split("\n"))
        return
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{name} is cut short or no JSON: write it again.") from error
    for number, item in enumerate(items):
        if isinstance(item, dict):
            yield number, item, None
        else:
            yield number, {}, "it is not a JSON object."


def _format(values: Mapping[str, Any]) -> TripletFormat | None:
    fits = (form for form, keys in KEYS.items() if keys[0] in values and keys[1] in values)
    return next(fits, None)


def _row(number: int, values: Mapping[str, Any], problem: str | None) -> Row | Refusal:
    if problem is not None:
        return Refusal(number, problem)
    form = _format(values)
    if form is None:
        return Refusal(number, "it lacks the name of its reference or target.")
    reference, target = (_name(values[key]) for key in KEYS[form][:2])
    if reference is None or target is None:
        return Refusal(number, f"its names must be texts of at most {MAX_NAME} characters.")
    sentences = _sentences(values.get(KEYS[form][2]))
    if isinstance(sentences, str):
        return Refusal(number, sentences)
    return Row(number, reference, target, sentences)


def _name(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    good = isinstance(value, str) and 0 < len(value) <= MAX_NAME and _storable(value)
    return value if good else None


def _sentences(value: Any) -> tuple[str, ...] | str:
    """The sentences, each once; else what is wrong with them."""
    told: Sequence[Any] = [value] if isinstance(value, str) else value
    if not isinstance(told, list) or not 0 < len(told) <= MAX_SENTENCES:
        return f"its captions must be a text, or a list of 1 to {MAX_SENTENCES}."
    if not all(isinstance(one, str) for one in told):
        return "one of its captions is no text."
    said = tuple(dict.fromkeys(one.strip() for one in told if one.strip()))
    if not said:
        return "its captions are empty."
    if any(len(one) > MAX_SENTENCE or not _storable(one) for one in said):
        return f"one of its captions is longer than {MAX_SENTENCE:,} characters, or no text."
    return said


def _storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)
