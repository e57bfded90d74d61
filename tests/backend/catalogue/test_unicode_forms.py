"""Unicode's forms in linear time: a run of marks that no language writes stays as it is."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.catalogue.attributes import convert, kind_of, slugify
from backend.catalogue.manifest_columns import normal
from backend.catalogue.schemas import ProductCreate
from backend.catalogue.unicode_forms import MARKS, composed, normalised
from backend.errors import InvalidInput

MEGABYTE = "a" + "\u0315\u0300" * 500_000  # two marks in the wrong order, again and again


@given(st.text("aé한ﬁ ́\u0315\u0300\u0327"), st.sampled_from(["NFC", "NFKD"]))
def test_what_people_write_gets_its_form(text: str, form: str) -> None:
    written = text[:MARKS]
    assert normalised(form, written) == unicodedata.normalize(form, written)  # type: ignore[arg-type]


def test_long_texts_get_their_form_too() -> None:
    text = "Cafe\u0301 " * 10_000
    assert normalised("NFC", text) == "Café " * 10_000
    most = "a" * 100 + "\u0315\u0300" * (MARKS // 2)
    assert normalised("NFC", most) == unicodedata.normalize("NFC", most) != most


@pytest.mark.parametrize("form", ["NFC", "NFKD"])
def test_a_megabyte_of_marks_stays_as_it_is(form: str) -> None:
    assert normalised(form, MEGABYTE) == MEGABYTE  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["NFC", "NFKD"])
def test_characters_that_become_marks_count_as_marks(form: str) -> None:
    for number in range(sys.maxunicode + 1):
        apart = unicodedata.normalize(form, chr(number))  # type: ignore[arg-type]
        if unicodedata.combining(apart[0]):
            text = chr(number) * 100
            assert normalised(form, text) == text  # type: ignore[arg-type]


def test_whatever_takes_text_gets_through_a_megabyte_of_marks() -> None:
    assert composed(MEGABYTE) == MEGABYTE
    assert normal(MEGABYTE) == "a"
    assert slugify(MEGABYTE) == "a"
    assert kind_of(MEGABYTE) == "keyword"
    with pytest.raises(InvalidInput, match="takes 1 to 5000 characters"):
        convert("note", MEGABYTE, "keyword")
    with pytest.raises(ValueError, match="title"):
        ProductCreate(sku="A", title=MEGABYTE)
