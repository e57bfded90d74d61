"""The text form of filters, their check against known keys, and their meaning in every engine."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from backend.errors import InvalidInput
from backend.gallery.filters import (
    BUILT_IN_KEYS,
    MOST_FRACTIONS,
    Condition,
    Filter,
    Kind,
    Scalar,
    check_keys,
    format_filter,
    parse_filter,
)
from tests.backend.gallery.conftest import DIM, fresh_name, point, random_vector, unhurried

KINDS: dict[str, Kind] = {
    "colour": "keyword",
    "size": "integer",
    "weight": "float",
    "sale": "bool",
}


def one(expression: str) -> Condition:
    (condition,) = parse_filter([expression]).conditions
    return condition


# --- reading


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("category=dress", Condition(key="category", equals="dress")),
        (" category = evening dress ", Condition(key="category", equals="evening dress")),
        ("colour=red,blue", Condition(key="colour", any_of=("red", "blue"))),
        ("colour=red, blue", Condition(key="colour", any_of=("red", "blue"))),
        ('colour="red, blue",green', Condition(key="colour", any_of=("red, blue", "green"))),
        ('colour="5"" heel"', Condition(key="colour", equals='5" heel')),
        ('colour=""', Condition(key="colour", equals="")),
        ("colour!=red", Condition(key="colour", equals="red", negate=True)),
        ("colour!=red,blue", Condition(key="colour", any_of=("red", "blue"), negate=True)),
        ("price>=10", Condition(key="price", gte=10)),
        ("price<=9.99", Condition(key="price", lte=9.99)),
        ("size=10..20", Condition(key="size", gte=10, lte=20)),
        ("size=-5..", Condition(key="size", gte=-5)),
        ("size=..1e3", Condition(key="size", lte=1000)),
        ("size!=10..20", Condition(key="size", gte=10, lte=20, negate=True)),
        ('size="10..20"', Condition(key="size", equals="10..20")),
        ("link=a..b", Condition(key="link", equals="a..b")),
        ("formula=a=b", Condition(key="formula", equals="a=b")),
        ("größe=38", Condition(key="größe", equals="38")),
    ],
)
def test_expressions_are_read(expression, expected):
    assert one(expression) == expected


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("dress", "cannot be read: write for example category=dress"),
        ("", "cannot be read"),
        ("=dress", "cannot be read"),
        ("price>10", "cannot be read"),
        ("colour=", "lacks a value or a closing quote"),
        ("colour=red,", "lacks a value or a closing quote"),
        ("colour=red,,blue", "lacks a value or a closing quote"),
        ('colour="red', "lacks a value or a closing quote"),
        ('colour="red"dish', "lacks a value or a closing quote"),
        ("price>=cheap", "needs a number after >="),
        ("price<=nan", "needs a number after <="),
        ("size=..", "is a range without an end"),
        ("size=20..10", "its lower end is the higher"),
    ],
)
def test_an_unreadable_expression_is_told_with_an_example(expression, reason):
    with pytest.raises(InvalidInput) as failure:
        parse_filter([expression])
    assert f"Filter '{expression}'" in failure.value.sentence
    assert reason in failure.value.sentence


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"equals": "red", "gte": 1},
        {"any_of": ()},
        {"equals": "red", "any_of": ("blue",)},
        {"gte": float("nan")},
    ],
)
def test_a_condition_is_exactly_one_test(fields):
    with pytest.raises(ValidationError):
        Condition(key="colour", **fields)


# --- checking


def test_values_take_the_kind_of_their_key():
    typed = check_keys(
        parse_filter(["colour=38", "size=38", "weight=1", "sale=yes,false", "category=1"]), KINDS
    )
    values: list[tuple[Scalar, ...]] = [condition.values for condition in typed.conditions]
    assert values == [("38",), (38,), (1.0,), (True, False), ("1",)]
    assert [type(v[0]) for v in values] == [str, int, float, bool, str]


def test_an_unknown_filter_is_told_with_the_known_ones_closest_first():
    with pytest.raises(InvalidInput) as failure:
        check_keys(parse_filter(["Color=red"]), KINDS)
    assert failure.value.sentence == (
        "There is no filter 'Color': use one of colour, category, product, sale, size, sku, split, "
        "weight."
    )


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("size=big", "'size' takes numbers up to 2^53, not 'big'"),
        ("size=99999999999999999999", "'size' takes numbers up to 2^53"),
        ("size=1.5", "'size' takes whole numbers, not '1.5'"),
        ("weight=heavy", "'weight' takes numbers up to 2^53, not 'heavy'"),
        ("sale=maybe", "'sale' takes true or false, not 'maybe'"),
        ("colour>=3", "'colour' holds no numbers, so it takes no range"),
        ("sale=0..1", "'sale' holds no numbers, so it takes no range"),
    ],
)
def test_a_value_of_another_kind_is_told(expression, reason):
    with pytest.raises(InvalidInput, match=f"Filter {reason}".replace("^", r"\^")):
        check_keys(parse_filter([expression]), KINDS)


# --- properties

words = st.text(max_size=8) | st.sampled_from(["red", "a,b", '"', "1..2", " x ", "..", "true"])
whole_numbers = st.integers(-(2**53), 2**53)
numbers = st.floats(-1e9, 1e9)
values_of: dict[Kind, st.SearchStrategy[Scalar]] = {
    "keyword": words,
    "integer": whole_numbers,
    "float": numbers,
    "bool": st.booleans(),
}


def conditions(values: dict[Kind, st.SearchStrategy[Scalar]]) -> st.SearchStrategy[Condition]:
    all_kinds: dict[str, Kind] = {**dict.fromkeys(BUILT_IN_KEYS, "keyword"), **KINDS}

    def tests(key: str) -> st.SearchStrategy[Condition]:
        value = values[all_kinds[key]]
        options = [
            st.builds(Condition, key=st.just(key), equals=value, negate=st.booleans()),
            st.builds(
                Condition,
                key=st.just(key),
                any_of=st.lists(value, min_size=2, max_size=3).map(tuple),
                negate=st.booleans(),
            ),
        ]
        if all_kinds[key] in ("integer", "float"):
            options.append(st.builds(spanning, st.just(key), value, value, st.booleans()))
        return st.one_of(options)

    return st.sampled_from(sorted(all_kinds)).flatmap(tests)


def spanning(key: str, one_end: float, other_end: float, negate: bool) -> Condition:
    low, high = sorted((one_end, other_end))
    if low == high:
        return Condition(key=key, gte=low, negate=negate)
    return Condition(key=key, gte=low, lte=high, negate=negate)


@settings(unhurried)
@given(st.lists(conditions(values_of), max_size=4))
def test_what_is_formatted_reads_back_the_same(chosen):
    chosen_filter = Filter(conditions=tuple(chosen))
    read = parse_filter(format_filter(chosen_filter))
    assert check_keys(read, KINDS) == chosen_filter


few_values: dict[Kind, st.SearchStrategy[Scalar]] = {
    "keyword": st.sampled_from(["red", "Red", "a,b", "true", "1", "größe", ""]),
    "integer": st.integers(-2, 2),
    "float": st.sampled_from([-1.0, 0.0, 0.1, 1.0, 1e-9]),
    "bool": st.booleans(),
}
payloads = st.fixed_dictionaries(
    {
        "product": few_values["keyword"],
        "sku": few_values["keyword"],
        "category": few_values["keyword"],
        "split": few_values["keyword"],
        "attributes": st.fixed_dictionaries(
            {}, optional={slug: few_values[kind] for slug, kind in KINDS.items()}
        ),
    }
)


@pytest.fixture(scope="module")
def indexed(store):
    gallery = store.create(fresh_name(), DIM)
    for slug, kind in KINDS.items():
        gallery.index_attribute(slug, kind)
    yield gallery
    store.drop(gallery.name)


@settings(unhurried, max_examples=60)
@given(
    st.lists(payloads, min_size=1, max_size=12),
    st.lists(st.lists(conditions(few_values), max_size=3), min_size=1, max_size=8),
)
def test_every_engine_means_what_the_words_say(indexed, rows, filters):
    indexed.delete(indexed.scroll(None, 100))
    points = [point(number, **row) for number, row in enumerate(rows)]
    indexed.upsert(points)
    for chosen in filters:
        found = indexed.search(random_vector(0), filter=Filter(conditions=tuple(chosen)), limit=100)
        expected = {p.id for p in points if all(holds(c, p.payload) for c in chosen)}
        assert {hit.id for hit in found} == expected


def holds(condition: Condition, payload) -> bool:
    """The meaning of a condition, in plain Python."""
    fields = {**payload, **payload["attributes"]}
    if condition.key not in fields:
        return condition.negate
    value = fields[condition.key]
    if condition.values:
        return (value in condition.values) != condition.negate
    low = condition.gte is None or value >= condition.gte
    high = condition.lte is None or value <= condition.lte
    return (low and high) != condition.negate


@pytest.mark.parametrize("expression", ["sku=" + " " * 60_000 + '"', "n=" + "1" * 60_000 + "x"])
def test_a_hostile_expression_is_read_at_once(expression: str) -> None:
    """A regular expression that tried every way to split the blanks would take days."""
    begun = time.process_time()
    with suppress(InvalidInput):
        parse_filter([expression])
    assert time.process_time() - begun < 5


def test_many_single_numbers_are_to_be_a_range():
    many = parse_filter([f"price={','.join(f'{n}.5' for n in range(MOST_FRACTIONS + 1))}"])
    with pytest.raises(
        InvalidInput, match=r"name 151 single numbers .* 150 are allowed: give a ra"
    ):
        check_keys(many, {"price": "float"})
    assert check_keys(many, {"price": "keyword"}), "texts are one test, however many"
