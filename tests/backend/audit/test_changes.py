"""What a line of the audit log keeps of two states."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.audit.changes import BYTES, FIELDS, ITEMS, MORE, TEXT, bounded, changed, cut

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.datetimes()
    | st.text(st.characters(), max_size=700)
    | st.binary(max_size=20),
    lambda one: st.lists(one, max_size=30) | st.dictionaries(st.text(max_size=120), one),
    max_leaves=60,
)
STATES = st.dictionaries(st.text(max_size=120), ANYTHING, max_size=60)


def test_only_what_differs_is_kept() -> None:
    before = {"title": "Red tee", "split": "train", "price": Decimal("19.90"), "fit": "slim"}
    after = {"title": "Red tee", "split": "val", "price": Decimal("19.9"), "sleeve": "long"}
    assert changed(before, after) == (
        {"split": "train", "fit": "slim"},
        {"split": "val", "sleeve": "long"},
    )
    assert changed(before, before) == ({}, {})


def test_nothing_is_not_the_same_as_not_there() -> None:
    assert changed({"price": None}, {}) == ({"price": None}, {})


def test_what_json_has_no_word_for_is_written_as_text() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    kept = bounded({"price": Decimal("19.90"), "at": moment, "loss": float("nan"), "id": 2**70})
    assert kept == {
        "price": "19.90",
        "at": "2026-01-01 00:00:00+00:00",
        "loss": "nan",
        "id": str(2**70),
    }


def test_long_things_are_cut_and_counted() -> None:
    skus = [f"SKU-{number}" for number in range(1000)]
    kept = bounded({"title": "x" * 900, "skus": skus})
    assert kept["title"] == "x" * (TEXT - 1) + MORE
    assert kept["skus"] == [*skus[:ITEMS], "980 more"]
    many = bounded({f"f{number}": number for number in range(80)})
    assert list(many)[-1] == MORE
    assert (len(many), many[MORE]) == (FIELDS + 1, "30 more")


def test_what_is_long_altogether_loses_its_last_fields() -> None:
    kept = bounded({f"f{number}": "x" * 400 for number in range(30)})
    whole = len(kept) - 1
    assert list(kept) == [*(f"f{number}" for number in range(whole)), MORE]
    assert kept[MORE] == f"{30 - whole} more"
    assert BYTES - 450 < len(json.dumps(kept, ensure_ascii=False)) <= BYTES


def test_a_text_is_cut_to_what_a_column_and_a_database_take() -> None:
    assert cut("ab\0c\ud800", 10) == "ab\ufffdc?"
    assert cut("abcdef", 4) == f"abc{MORE}"
    assert cut("abcd", 4) == "abcd"


@settings(max_examples=40, deadline=None)
@given(STATES)
def test_whatever_is_noted_is_bounded_json(values: dict[str, Any]) -> None:
    kept = bounded(values)
    text = json.dumps(kept, ensure_ascii=False, allow_nan=False)
    assert len(text.encode()) <= BYTES
    assert "\\u0000" not in text
    assert json.loads(text) == kept
