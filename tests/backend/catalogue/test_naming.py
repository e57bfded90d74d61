"""What a relative path says: split, category, SKU, title; and which names are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.catalogue.naming import (
    PathFields,
    check_name,
    fields_of,
    is_junk,
    join,
    kind_of,
    skus_for,
    title_of,
)
from backend.errors import InvalidInput


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("7.jpg", PathFields("7", None, None)),
        ("dress/7.jpg", PathFields("7", "dress", None)),
        ("validation/dress/7.jpg", PathFields("7", "dress", "val")),
        ("dress/validation/7.jpg", PathFields("7", "dress", "val")),
        ("shop/2024/Training/T-shirts/7.jpg", PathFields("7", "T-shirts", "train")),
        ("testing/red.dress.png", PathFields("red.dress", None, "test")),
        ("train/dress/dev/7.jpg", PathFields("7", "dress", "val")),
        ("Robe d'été/été .jpg".encode().decode(), PathFields("été", "Robe d'été", None)),
    ],
)
def test_folders_give_split_and_category_in_either_order(name: str, expected: PathFields) -> None:
    assert fields_of(name) == expected


def test_decomposed_names_of_macos_are_the_same_sku() -> None:
    assert fields_of("e\u0301te\u0301.jpg").sku == fields_of("été.jpg").sku == "été"


def test_characters_that_nobody_sees_are_not_in_a_sku() -> None:
    for name in ("caf\u200bé.jpg", "\ufeffcafé.jpg", "\u202ecafé\u200f .jpg"):
        assert fields_of(name).sku == "café"
    assert fields_of("\u200b.jpg").sku == "picture"
    assert fields_of("\u200bdress/1.jpg").category == "dress"


def test_a_taken_sku_gets_six_digits_of_the_hash_and_more_if_those_are_taken_too() -> None:
    sha256 = "0123456789abcdef" * 4
    assert list(skus_for("dress", sha256)) == [
        "dress",
        "dress-012345",
        "dress-0123456789ab",
        f"dress-{sha256}",
    ]


@pytest.mark.parametrize(
    ("sku", "category", "title"),
    [
        ("red_dress-01", "dress", "Red dress 01"),
        ("TEE-0042", None, "TEE 0042"),
        ("3F2A9C00-b9b2-4a7b-8fd6-93c4c4f5a0c7", "dress", "Dress 3f2a9c"),
        ("d41d8cd98f00b204e9800998ecf8427e", None, "Picture d41d8c"),
        ("---", None, "---"),
    ],
)
def test_titles_are_the_sku_in_words_and_the_category_for_a_hash(
    sku: str, category: str | None, title: str
) -> None:
    assert title_of(sku, category) == title


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../x.jpg", "a/../../x.jpg", "a//x.jpg", "./x.jpg", "C:/x.jpg", "a\\x.jpg", ""],
)
def test_names_that_leave_the_import_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="is not a relative path inside the import"):
        check_name(name)


def test_names_that_cannot_be_stored_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"'a\\nb.jpg' holds characters that cannot be stored"):
        check_name("a\nb.jpg")
    with pytest.raises(InvalidInput, match="holds characters that cannot be stored"):
        check_name("a\udcffb.jpg")
    with pytest.raises(InvalidInput, match="has 1,001 characters, and 1,000 are allowed"):
        check_name("x" * 1001)


def test_names_of_too_many_bytes_are_refused() -> None:
    assert check_name("袖" * 833)
    with pytest.raises(InvalidInput) as told:
        check_name("袖" * 834)
    assert told.value.sentence == (
        f"The file name '{'袖' * 60}'… has 2,502 bytes as UTF-8, and 2,500 are allowed: shorten it."
    )


def test_a_path_is_joined_to_its_folder_and_may_not_leave_it() -> None:
    assert join("shop", "./images//1.jpg") == "shop/images/1.jpg"
    assert join("", "1.jpg") == "1.jpg"
    for path in ("../1.jpg", "/1.jpg", "a/../../1.jpg"):
        with pytest.raises(InvalidInput):
            join("shop", path)


def test_kinds_and_junk() -> None:
    assert kind_of("A.JPEG") == "picture"
    assert kind_of("phone.heic") == "picture"
    assert kind_of("p.tsv") == kind_of("p.jsonl") == "manifest"
    assert kind_of("a.zip") == "zip"
    assert kind_of("README") == "other"
    assert is_junk("dress/.DS_Store")
    assert is_junk("__MACOSX/a.jpg")
    assert is_junk("dress/Thumbs.db")
    assert not is_junk("dress/7.jpg")


@given(st.text(max_size=300), st.text(alphabet="0123456789abcdef", min_size=64, max_size=64))
def test_whatever_the_name_its_skus_are_distinct_and_fit(name: str, sha256: str) -> None:
    """Names that `check_name` lets in always give SKUs, categories and titles that can be kept."""
    try:
        check_name(name)
    except InvalidInput:
        return
    fields = fields_of(name)
    skus = list(skus_for(fields.sku, sha256))
    assert len(set(skus)) == 4
    assert all(0 < len(sku) <= 200 and sku == sku.strip() for sku in skus)
    assert fields.category is None or 0 < len(fields.category) <= 100
    assert title_of(fields.sku, fields.category).strip()
