"""Manifests beyond all measure: too many rows, columns or cells, endless names, deep nesting."""

from __future__ import annotations

import json

import pytest

from backend.catalogue import manifest_tables
from backend.catalogue.manifests import Manifest
from backend.errors import InvalidInput, TooLarge
from tests.backend.catalogue.manifests import parse, refusals


def test_too_many_rows_or_columns_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_tables, "MAX_ROWS", 2)
    with pytest.raises(TooLarge, match=r"p\.csv has more than 2 rows: split it into several files"):
        parse("sku,image\nA,a.jpg\nB,b.jpg\nC,c.jpg\n")
    many = ",".join(f"c{n}" for n in range(4999))
    with pytest.raises(TooLarge, match=r"p\.csv has 5,000 columns, and 1,000 are allowed"):
        parse(f"sku,{many}\n")
    keys = "\n".join(json.dumps({f"k{n}": 1}) for n in range(1002))
    with pytest.raises(TooLarge, match=r"p\.jsonl has 1,002 columns, and 1,000 are allowed"):
        parse(keys, "p.jsonl")


def test_too_many_cells_are_refused_empty_ones_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_tables, "MAX_VALUES", 5)
    assert len(parse("sku,image,fit\nA,a.jpg,slim\nB,b.jpg,\n").rows) == 2
    told = r"p\.\w+ has more than 5 filled cells: split it into several files\."
    with pytest.raises(TooLarge, match=told):
        parse("sku,image,fit\nA,a.jpg,slim\nB,b.jpg,wide\n")
    lines = [json.dumps({"sku": sku, "image": "a.jpg", "fit": "slim"}) for sku in "AB"]
    with pytest.raises(TooLarge, match=told):
        parse("\n".join(lines), "p.jsonl")


def test_a_product_of_too_many_pictures_is_refused() -> None:
    """And its pictures are known as its own, so that they do not become products."""
    names = [f"{n}.jpg" for n in range(1001)]
    most, many = "|".join(names[:1000]), "|".join(names)
    manifest = parse(f"sku,image\nA,{most}\nB,{many}\nA,{most}\nA,x.jpg\n")
    assert [(row.sku, len(row.images)) for row in manifest.rows] == [("A", 1000)]
    assert refusals(manifest) == [
        "p.csv, row 3: it names 1,001 pictures, and a product may have 1,000: leave some out.",
        "p.csv, row 5: with row 2 SKU A has 1,001 pictures, and a product may have 1,000: leave "
        "some out.",
    ]
    assert [len(bad.images) for bad in manifest.refused] == [1001, 1]


def test_a_column_with_an_endless_name_is_refused_with_all_its_rows() -> None:
    """An import would keep the name with each of them."""
    assert parse(f"sku,image,{'x' * 200}\nA,a.jpg,1\n").refused == []
    with pytest.raises(InvalidInput) as told:
        parse(f"sku,image,{'x' * 201}\nA,a.jpg,1\n")
    assert told.value.sentence == (
        f"p.csv has a column whose name has 201 characters ('{'x' * 40}'…), and 200 are allowed: "
        "shorten it."
    )


def test_a_line_of_json_with_an_endless_key_is_left_out() -> None:
    lines = [json.dumps({"sku": "A", "image": "a.jpg", "x" * size: 1}) for size in (200, 201)]
    manifest = parse("\n".join(lines), "p.jsonl")
    assert len(manifest.rows) == 1
    assert refusals(manifest) == [
        f"p.jsonl, row 2: its key '{'x' * 40}'… has 201 characters, and 200 are allowed: shorten "
        "it."
    ]
    assert manifest.refused[0].cells == {}


def test_columns_are_counted_before_they_are_compared() -> None:
    with pytest.raises(TooLarge, match=r"p\.csv has 400,000 columns, and 1,000 are allowed"):
        parse(f"sku,image,sku{',b' * 399_997}\n")


@pytest.mark.parametrize(
    "row", ["x" * 1_000_001, '"\n",' * 250_001, "a," * 2_000_000, f'"{" " * 1000}\n",' * 1100]
)
@pytest.mark.parametrize("number", [1, 3])
def test_a_csv_with_a_row_beyond_all_measure_is_refused(row: str, number: int) -> None:
    """However many lines it has; its cells would all be in memory at once."""
    before = "sku,image\nA,a.jpg\n" if number == 3 else ""
    with pytest.raises(InvalidInput) as told:
        parse(f"{before}{row}\nB,b.jpg\n")
    assert told.value.sentence == (
        f"p.csv cannot be read from row {number} on (it is longer than 1,000,000 characters): "
        "check its quotes."
    )


def test_after_a_line_of_json_beyond_all_measure_lines_count_on() -> None:
    long = json.dumps({"sku": "A", "image": "a.jpg", "text": "x" * 3_500_000})
    short = '{"sku": "B", "image": "b.jpg"}'
    manifest = parse(f"{long}\n{short}\nno\n{long}", "p.jsonl")
    assert [(row.number, row.sku) for row in manifest.rows] == [(2, "B")]
    assert [row.number for row in manifest.refused] == [1, 3, 4]


@pytest.mark.parametrize("depth", [51, 300, 460, 900, 5_000, 150_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_line_of_json_that_nests_deeply_is_left_out(opening: str, depth: int) -> None:
    assert refusals(nested(opening, depth)) == [
        "p.jsonl, row 2: it holds lists and objects more than 50 deep within one another: write "
        "plain values."
    ]


@pytest.mark.parametrize("depth", [2, 49, 50])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_line_of_json_that_nests_less_is_told_its_column(opening: str, depth: int) -> None:
    (told,) = refusals(nested(opening, depth))
    assert told.startswith("p.jsonl, row 2: column note holds a list or an object")


def nested(opening: str, depth: int) -> Manifest:
    """A line whose note is so deep, the line's own object counted, under one that is as it should
    be."""
    inside = depth - 1
    closing = "]" if opening == "[" else "}"
    note = opening * (inside - 1) + ("[]" if opening == "[" else "{}") + closing * (inside - 1)
    line = f'{{"sku": "A", "image": "a.jpg", "note": {note}}}'
    manifest = parse('{"sku": "B", "image": "b.jpg"}\n' + line, "p.jsonl")
    assert [row.sku for row in manifest.rows] == ["B"]
    return manifest


def test_a_line_of_json_beyond_all_measure_is_left_out() -> None:
    line = json.dumps({"sku": "A", "image": "a.jpg", "text": "x" * 1_000_001})
    assert refusals(parse('{"sku": "B", "image": "b.jpg"}\n' + line, "p.jsonl")) == [
        "p.jsonl, row 2: it is longer than 1,000,000 characters: shorten it."
    ]


def test_cells_of_a_megabyte_are_read_in_time() -> None:
    """Each of these took hours while its reader went over it in the square of its length."""
    blanks, marks = " " * 900_000, "\u0315\u0300" * 400_000
    lines = [
        {"sku": "A", "image": "a.jpg", "price": f"1{blanks}!"},
        {"sku": "B", "image": f"a{blanks}b"},
        {"sku": "C", "image": f"http://{marks}.com/c.jpg"},
        {"sku": "D", "image": "d.jpg", "title": marks},
        {"sku": f"E{marks}", "image": "e.jpg"},
        {"sku": "F", "image": "f.jpg", "size": marks},
        {"sku": "G", "image": "g.jpg", f"{marks}": "a key"},
        {"sku": "H", "image": "h.jpg", "category": f"{marks}x"},
        {"sku": "I", "image": "i.jpg", "price": 1, "currency": f"{blanks}x"},
    ]
    manifest = parse("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), "p.jsonl")
    assert [row.sku for row in manifest.rows] == ["C", "F"]
    assert manifest.rows[0].images == ("c.jpg",)
    expected = (
        "is not a number such as 19.90.",
        "column image names a picture outside",
        "is not at most 500 characters.",
        "is not one to 200 characters.",
        "has 800,000 characters, and 200 are allowed",
        "is not at most 100 characters.",
        "is not three capital letters such as EUR.",
    )
    for told, words in zip(refusals(manifest), expected, strict=True):
        assert words in told
