"""What planning remembers: pictures under either form of their names, rows by SKU, and a full disk
that is told."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.catalogue.manifest_rows import BadRow, Row
from backend.catalogue.schemas import FileClaim, ProductFields
from backend.outages import NO_SPACE, told
from workers.plan_scratch import Scratch
from workers.staged_files import FileSource

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "é.jpg") for form in ("NFC", "NFD"))


@pytest.fixture
def scratch() -> Iterator[Scratch]:
    with Scratch() as opened:
        yield opened


def source(name: str, **facts: object) -> FileSource:
    return FileSource.model_validate({"name": name, "sha256": "0" * 64, "size": 7} | facts)


def test_files_come_by_name(scratch: Scratch) -> None:
    for name in ("b", "é", "a/2", "a", "Z"):
        scratch.add_file(FileClaim(name=name, sha256="1" * 64, size=3))
    assert [file.name for file in scratch.files()] == ["Z", "a", "a/2", "b", "é"]


def test_a_picture_comes_back_as_it_was(scratch: Scratch) -> None:
    inside = source("z.zip/a.jpg", archive="z.zip", member=4)
    assert scratch.add_picture(inside, "a.jpg")
    assert scratch.picture("z.zip/a.jpg") == inside
    assert scratch.picture("a.jpg") is None
    assert not scratch.add_picture(source("z.zip/a.jpg"), "z.zip/a.jpg")
    assert list(scratch.unnamed()) == [(inside, "a.jpg")]


@pytest.mark.parametrize("first", [COMPOSED, DECOMPOSED])
def test_names_that_look_the_same_are_two_pictures(scratch: Scratch, first: str) -> None:
    second = DECOMPOSED if first == COMPOSED else COMPOSED
    assert scratch.add_picture(source(first), first)
    assert scratch.picture(second) == scratch.picture(first) == source(first)
    assert scratch.add_picture(source(second), second)
    assert scratch.picture(DECOMPOSED) == scratch.picture(COMPOSED) == source(COMPOSED)
    assert not scratch.add_picture(source(first), first)
    assert not scratch.add_picture(source(second), second)
    assert [found.name for found, _ in scratch.unnamed()] == [first, second]
    scratch.mark_named(DECOMPOSED)
    assert [found.name for found, _ in scratch.unnamed()] == [DECOMPOSED]


VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)


@given(
    st.builds(
        ProductFields,
        title=st.none() | st.just("Red dress"),
        price=st.none() | st.decimals(0, 10**9, places=2),
        attributes=st.none() | st.dictionaries(st.text("abc", min_size=1), VALUES, max_size=3),
    )
)
def test_a_row_comes_back_as_it_was(fields: ProductFields) -> None:
    with Scratch() as scratch:
        row = Row(3, "A", fields, ("a.jpg", "b|c.jpg"))
        scratch.put(row)
        assert scratch.row("A") == row
        found = scratch.row("A")
        assert found is not None
        given, kept = (one.fields.attributes or {} for one in (row, found))
        assert [type(value) for value in given.values()] == [type(v) for v in kept.values()]


def test_a_row_put_again_keeps_its_place(scratch: Scratch) -> None:
    for sku in "BA":
        scratch.put(Row(2, sku, ProductFields(), ()))
    scratch.put(Row(2, "B", ProductFields(price=Decimal("1.50")), ("b.jpg",)))
    assert [(row.sku, row.images) for row in scratch.rows()] == [("B", ("b.jpg",)), ("A", ())]
    bad = BadRow(4, "", ("x.jpg",), "a, row 4: so.", {"size": "S"})
    scratch.refuse(bad)
    assert list(scratch.refused()) == [bad]
    scratch.forget_rows()
    assert (list(scratch.rows()), list(scratch.refused()), scratch.row("A")) == ([], [], None)


def test_a_full_disk_under_it_is_told(scratch: Scratch) -> None:
    scratch._sql.execute("PRAGMA max_page_count = 20")

    def fill() -> None:
        for number in range(10_000):
            scratch.add_picture(source(f"{number}.jpg"), "")

    with pytest.raises(sqlite3.OperationalError) as failure:
        fill()
    sentence = told(failure.value)
    assert sentence is not None
    assert sentence.sentence == NO_SPACE


def test_of_each_item_the_last_one_of_its_sku_is_known(scratch: Scratch) -> None:
    skus = ["A", "B", "A", "a", "A", "B"]
    before = [scratch.before(sku, position) for position, sku in enumerate(skus)]
    assert before == [None, None, 0, None, 2, 1]
