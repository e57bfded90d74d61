"""Files of triplets as strangers write them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import AkinError, InvalidInput, TooLarge
from backend.feedback import formats
from backend.feedback.formats import Refusal, Row, read_file

FASHIONIQ = {"candidate": "A", "target": "B", "captions": ["is red", "is longer"]}
CIRR = {"reference": "A", "target_hard": "B", "caption": "is red", "pairid": 3}
AKIN = {"reference": "A", "target": "B", "captions": "is red"}


def read(*rows: Any) -> list[Row | Refusal]:
    return read_file(json.dumps(rows).encode(), "f.json")[1]


def test_each_format_is_told_by_its_keys() -> None:
    assert read_file(json.dumps([FASHIONIQ]).encode(), "f.json") == (
        "fashioniq",
        [Row(0, "A", "B", ("is red", "is longer"))],
    )
    assert read_file(json.dumps([CIRR]).encode(), "f.json") == (
        "cirr",
        [Row(0, "A", "B", ("is red",))],
    )
    assert read_file(f"\ufeff{json.dumps(AKIN)}\n\n".encode(), "f.jsonl") == (
        "akin",
        [Row(1, "A", "B", ("is red",))],
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (7, "it is not a JSON object."),
        ({"candidate": "A"}, "it lacks the name of its reference or target."),
        (FASHIONIQ | {"target": None}, "its names must be texts of at most 400 characters."),
        (FASHIONIQ | {"target": "x" * 401}, "its names must be texts of at most 400 characters."),
        (FASHIONIQ | {"target": "\0"}, "its names must be texts of at most 400 characters."),
        (FASHIONIQ | {"captions": []}, "its captions must be a text, or a list of 1 to 10."),
        (
            FASHIONIQ | {"captions": ["a"] * 11},
            "its captions must be a text, or a list of 1 to 10.",
        ),
        (FASHIONIQ | {"captions": None}, "its captions must be a text, or a list of 1 to 10."),
        (FASHIONIQ | {"captions": [1]}, "one of its captions is no text."),
        (FASHIONIQ | {"captions": [" "]}, "its captions are empty."),
        (
            FASHIONIQ | {"captions": "x" * 2001},
            "one of its captions is longer than 2,000 characters, or no text.",
        ),
        (
            FASHIONIQ | {"captions": "\ud800"},
            "one of its captions is longer than 2,000 characters, or no text.",
        ),
    ],
)
def test_a_row_that_is_no_triplet_is_refused_alone(row: Any, reason: str) -> None:
    assert read(FASHIONIQ, row)[1] == Refusal(1, reason)


def test_a_number_is_a_name_and_a_sentence_said_twice_counts_once() -> None:
    (row,) = read({"candidate": 7, "target": "B", "captions": ["red", " red "]})
    assert row == Row(0, "7", "B", ("red",))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"[{", "f.json is cut short or no JSON: write it again."),
        (b"\xff", "f.json, byte 0: it is not UTF-8: save it as that."),
        (b"", "f.json holds no triplet: a row has candidate, target and captions"),
        (b'[{"a": 1}]', "f.json holds no triplet"),
        (b"[" * 100_000, "f.json is cut short or no JSON"),
    ],
)
def test_a_file_that_holds_no_triplets_is_told(data: bytes, sentence: str) -> None:
    with pytest.raises(InvalidInput) as told:
        read_file(data, "f.json")
    assert told.value.sentence.startswith(sentence)


def test_too_much_at_once_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MAX_ROWS", 1)
    with pytest.raises(TooLarge, match=r"f\.json has 2 rows, and 1 are read at once"):
        read(FASHIONIQ, FASHIONIQ)
    monkeypatch.setattr(formats, "MAX_BYTES", 3)
    with pytest.raises(TooLarge, match=r"f\.json has more than 3 bytes: split it"):
        read(FASHIONIQ)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["candidate", "target", "captions", "reference", "target_hard", "caption"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON | st.binary(max_size=60))
def test_whatever_comes_is_rows_refusals_or_a_sentence(value: Any) -> None:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    try:
        _, rows = read_file(data, "f.json")
    except AkinError:
        return
    for row in rows:
        if isinstance(row, Row):
            assert row.reference
            assert row.target
            assert all(row.sentences)
