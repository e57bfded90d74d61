from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.catalogue.attributes import (
    MAX_FILTERABLE,
    RESERVED,
    convert,
    filterable_attributes,
    kind_of,
    known_keys,
    register_attributes,
    slugify,
)
from backend.catalogue.schemas import AttributeKind, AttributeValue
from backend.catalogue.tables import Attribute
from backend.database import Database
from backend.errors import InvalidInput

unhurried = settings(deadline=None)
KINDS: list[AttributeKind] = ["keyword", "integer", "float", "bool"]
values = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=50).filter(
        str.strip
    ),
)


@pytest.mark.parametrize("label", ["\u4e00" * 5_000, "sku" + "\u4e00" * 5_000])
def test_a_long_name_is_not_repeated_in_full(label):
    with pytest.raises(InvalidInput) as refused:
        slugify(label)
    assert len(refused.value.sentence) < 250


@pytest.mark.parametrize(
    ("label", "slug"),
    [
        ("Sleeve length", "sleeve_length"),
        ("  COLOUR ", "colour"),
        ("Ärmel-Länge (cm)", "armel_lange_cm"),
        ("Größe", "grosse"),
        ("sleeve_length", "sleeve_length"),
    ],
)
def test_keys_are_slugs(label: str, slug: str) -> None:
    assert slugify(label) == slug


@unhurried
@given(st.text(max_size=100))
def test_a_slug_is_short_plain_and_its_own_slug(label: str) -> None:
    try:
        slug = slugify(label)
    except InvalidInput:
        return
    assert slug.isascii()
    assert slug.replace("_", "a").isalnum()
    assert slug == slug.lower()
    assert len(slug) <= 64
    assert slugify(slug) == slug


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        ("цвет", "no Latin letter or digit to make a key of: rename it"),
        ("x" * 65, "is too long: 64 characters at most"),
        ("Price", "'Price' is a field of every product: give the attribute another name"),
        *((word, "is a field of every product") for word in sorted(RESERVED)),
    ],
)
def test_names_that_cannot_be_keys(label: str, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        slugify(label)


@pytest.mark.parametrize(
    ("value", "kind", "typed"),
    [
        ("12", "integer", 12),
        ("-3", "integer", -3),
        (" 12.5 ", "float", 12.5),
        (".5", "float", 0.5),
        ("true", "bool", True),
        ("No", "bool", False),
        (False, "bool", False),
        (7, "integer", 7),
        (7.0, "float", 7.0),
        ("red", "keyword", "red"),
        ("007", "keyword", "007"),  # a code: the zeros belong to it
        ("12E4", "keyword", "12E4"),
        ("1_000", "keyword", "1_000"),
        ("nan", "keyword", "nan"),
        (2**60, "keyword", str(2**60)),  # beyond what a float holds exactly
    ],
)
def test_first_sight_gives_the_kind(
    value: AttributeValue, kind: AttributeKind, typed: AttributeValue
) -> None:
    assert kind_of(value) == kind
    converted = convert("x", value, kind)
    assert (converted, type(converted)) == (typed, type(typed))


@unhurried
@given(values)
def test_a_value_always_fits_the_kind_it_gives(value: AttributeValue) -> None:
    kind = kind_of(value)
    typed = convert("x", value, kind)
    assert isinstance(typed, {"keyword": str, "integer": int, "float": float, "bool": bool}[kind])
    assert convert("x", typed, kind) == typed


@unhurried
@given(values, st.sampled_from(KINDS))
def test_whatever_converts_stays_the_same_when_converted_again(
    value: AttributeValue, kind: AttributeKind
) -> None:
    try:
        typed = convert("x", value, kind)
    except InvalidInput:
        assert kind != "keyword"
        return
    assert convert("x", typed, kind) == typed


@pytest.mark.parametrize(
    ("kind", "value", "typed"),
    [
        ("float", 12, 12.0),
        ("float", "1e3", 1000.0),
        ("integer", 12.0, 12),
        ("integer", "007", 7),
        ("keyword", 12, "12"),
        ("keyword", True, "true"),
        ("bool", 1, True),
        ("bool", "NO", False),
    ],
)
def test_later_values_are_converted_where_that_loses_nothing(
    kind: AttributeKind, value: AttributeValue, typed: AttributeValue
) -> None:
    converted = convert("x", value, kind)
    assert (converted, type(converted)) == (typed, type(typed))


@pytest.mark.parametrize(
    ("kind", "value", "sentence"),
    [
        ("integer", "M", r"'Size' takes whole numbers up to 2\^53 .* was integer, not 'M'"),
        ("integer", 12.5, "whole numbers .* not '12.5'"),
        ("integer", True, "not 'True'"),
        ("integer", 2**60, "whole numbers"),
        ("float", "wide", "takes numbers .* was float, not 'wide'"),
        ("float", float("nan"), "not 'nan'"),
        ("float", "1e999", "not '1e999'"),
        ("bool", "maybe", "takes true or false .* was bool, not 'maybe'"),
        (
            "keyword",
            "  ",
            r"takes 1 to 5000 characters without NUL or half characters, not '' \(0\)",
        ),
        ("keyword", "x" * 5001, r"takes 1 to 5000 characters .*\(5001\): shorten it"),
        ("keyword", "a\0b", "without NUL"),
    ],
)
def test_values_of_another_kind_are_refused_by_name(
    kind: AttributeKind, value: AttributeValue, sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        convert("Size", value, kind)


def register(database: Database, **attributes: Any) -> dict[str, AttributeValue]:
    with database.write() as session:
        return register_attributes(session, attributes)


def test_registering_types_what_is_new_and_converts_what_is_known(database: Database) -> None:
    assert register(database, Colour="red", Size="38") == {"colour": "red", "size": 38}
    assert register(database, colour=7, SIZE=40.0) == {"colour": "7", "size": 40}
    with database.read() as session:
        assert known_keys(session) == {
            "category": "keyword",
            "split": "keyword",
            "sku": "keyword",
            "product": "keyword",
            "price": "float",
            "colour": "keyword",
            "size": "integer",
        }
        labels = {one.slug: one.label for one in session.query(Attribute)}
    assert labels == {"colour": "Colour", "size": "Size"}


def test_a_key_used_as_a_name_is_shown_as_words(database: Database) -> None:
    register(database, sleeve_length="long")
    with database.read() as session:
        assert session.get_one(Attribute, "sleeve_length").label == "Sleeve length"


def test_a_refused_value_registers_nothing(database: Database) -> None:
    register(database, size=38)
    with database.write() as session:
        with pytest.raises(InvalidInput, match="'size' takes whole numbers"):
            register_attributes(session, {"colour": "red", "size": "M"})
        assert list(filterable_attributes(session)) == ["price", "size"]


def test_two_names_of_one_key_are_refused(database: Database) -> None:
    with pytest.raises(InvalidInput, match="'Colour' and 'colour ' have the same key 'colour'"):
        register(database, **{"Colour": "red", "colour ": "blue"})


def test_the_first_32_are_filterable_and_the_rest_shown_only(database: Database) -> None:
    many = {f"a{number:02d}": number for number in range(MAX_FILTERABLE + 3)}
    assert register(database, **many) == many
    with database.read() as session:
        assert list(filterable_attributes(session)) == ["price", *list(many)[:MAX_FILTERABLE]]


def test_two_transactions_that_see_an_attribute_first_agree_on_its_kind(
    database: Database,
) -> None:
    register(database, **{f"a{number}": 1 for number in range(MAX_FILTERABLE - 1)})
    ready = threading.Barrier(4)
    typed: list[dict[str, AttributeValue]] = []

    def sight(value: AttributeValue, own: str) -> None:
        ready.wait()
        typed.append(register(database, size=value, **{own: 1}))

    threads = [
        threading.Thread(target=sight, args=(value, f"own{number}"))
        for number, value in enumerate((1, 1.0, 1, 1.0))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({type(one["size"]) for one in typed}) == 1
    with database.read() as session:
        assert session.query(Attribute).where(Attribute.filterable).count() == MAX_FILTERABLE


def test_half_a_character_is_refused():
    """JSON can carry a lone surrogate; stored, it would break every answer that shows it."""
    with pytest.raises(InvalidInput, match="half characters"):
        convert("Note", "\ud83d", "keyword")


def test_a_number_of_thousands_of_digits_is_text():
    assert kind_of("9" * 5_000) == "keyword"
