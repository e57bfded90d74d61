"""CSV and JSON-lines manifests: what they may look like, and each refusal with its sentence."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.catalogue.manifests import Manifest, parse_manifest
from backend.errors import InvalidInput


def parse(text: str, name: str = "p.csv") -> Manifest:
    return parse_manifest(text.encode(), name)


def refusals(manifest: Manifest) -> list[str]:
    return [row.sentence for row in manifest.refused]


def test_a_csv_row_is_a_product_with_its_pictures_and_attributes() -> None:
    manifest = parse(
        "sku,title,category,split,price,currency,image,colour\n"
        "A1, Red  dress ,dress,validation,19.9,eur,a.jpg|b/c.jpg,red\n",
        "shop/p.csv",
    )
    (row,) = manifest.rows
    assert (row.number, row.sku, row.images) == (2, "A1", ("shop/a.jpg", "shop/b/c.jpg"))
    assert row.fields.model_dump() == {
        "title": "Red dress",
        "category": "dress",
        "split": "val",
        "price": Decimal("19.9"),
        "currency": "EUR",
        "attributes": {"colour": "red"},
    }


def test_the_same_product_as_json_lines() -> None:
    line = {
        "sku": 7,
        "title": "Tee",
        "price": 5,
        "currency": "EUR",
        "images": ["a.jpg", "b.jpg"],
        "waterproof": True,
        "size": 38,
        "note": None,
    }
    (row,) = parse(json.dumps(line) + "\n\n", "p.jsonl").rows
    assert (row.sku, row.images, row.fields.price) == ("7", ("a.jpg", "b.jpg"), Decimal(5))
    assert row.fields.attributes == {"waterproof": True, "size": 38}


def test_an_empty_list_of_images_is_a_product_without_pictures() -> None:
    lines = ['{"sku": "A", "images": []}', '{"sku": "B", "image": []}', '{"sku": "C", "image": ""}']
    manifest = parse("\n".join(lines), "p.jsonl")
    assert [(row.sku, row.images) for row in manifest.rows] == [("A", ()), ("B", ())]
    assert refusals(manifest) == [
        "p.jsonl, row 3: column image is empty: every row needs a picture."
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_spreadsheets_write_is_understood(delimiter: str, encoding: str) -> None:
    header = delimiter.join(["Product ID", "Name", "IMAGE-PATH", "Größe"])
    row = delimiter.join(["A1", "Été", "a\\b.jpg", "M"])
    text = f"\r\n{header}\r\n\r\n{row}\r\n"
    (found,) = parse_manifest(text.encode(encoding), "p.csv").rows
    assert (found.number, found.sku, found.images) == (4, "A1", ("a/b.jpg",))
    assert (found.fields.title, found.fields.attributes) == ("Été", {"Größe": "M"})


def test_an_alias_beside_the_proper_column_is_an_attribute() -> None:
    (row,) = parse("id,sku,image\n9,A1,a.jpg\n").rows
    assert (row.sku, row.fields.attributes) == ("A1", {"id": "9"})


def test_a_decimal_comma_is_a_price() -> None:
    (row,) = parse("sku;image;price;currency\nA;a.jpg;19,90;EUR\n").rows
    assert row.fields.price == Decimal("19.90")


def test_a_missing_column_refuses_the_manifest_and_shows_the_columns() -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse("sku,title\nA1,Dress\n")
    assert refusal.value.sentence == (
        "p.csv has no column 'image' (its columns: sku, title): add it; every row needs a sku and "
        "an image."
    )
    with pytest.raises(InvalidInput, match="has no column 'sku'"):
        parse('{"image": "a.jpg"}', "p.jsonl")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "p.csv is empty: write a header and at least one row."),
        (b"\xff\xd8\xff\xe0", "p.csv is not UTF-8 text: save it as CSV in UTF-8."),
        (b"sku\0", "p.csv holds zero bytes, so it is no text: save it as CSV in UTF-8."),
        (b"sku,image,sku\n", "p.csv has the column 'sku' twice: rename one of them."),
        (
            b'sku,image\nA,"a.jpg\nB,b.jpg\n',
            "p.csv cannot be read from row 2 on (unexpected end of data): check its quotes.",
        ),
    ],
)
def test_files_that_are_no_manifest(data: bytes, sentence: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_manifest(data, "p.csv")
    assert refusal.value.sentence == sentence


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (",a.jpg,,,", "column sku is empty: every row needs a SKU."),
        ("A,,,,", "column image is empty: every row needs a picture."),
        ("A,a.jpg,cheap,EUR,", "column price: 'cheap' is not a number such as 19.90."),
        ("A,a.jpg,-1,EUR,", "column price: '-1' is not a number such as 19.90."),
        ("A,a.jpg,5,euros,", "column currency: 'euros' is not three capital letters such as EUR."),
        ("A,a.jpg,5,,", "price and currency go together: give both, or neither."),
        ("A,a.jpg,,,held", "column split: 'held' is not train, val or test."),
        (f"{'A' * 201},a.jpg,,,", f"column sku: '{'A' * 60}' is not one to 200 characters."),
        (
            "A,a.jpg,,,,extra",
            "it has 6 cells under 5 columns: put quotes round what holds the delimiter.",
        ),
        (
            "A,../a.jpg,,,",
            "column image names a picture outside the manifest's folder or with an unusable name "
            "(../a.jpg): put it beside or below the manifest.",
        ),
    ],
)
def test_a_bad_row_is_left_out_with_its_number_and_column(row: str, sentence: str) -> None:
    manifest = parse(f"sku,image,price,currency,split\nB,b.jpg,,,\n{row}\n")
    assert [r.sku for r in manifest.rows] == ["B"]
    (told,) = refusals(manifest)
    assert told.removeprefix("p.csv, row 3: ") == sentence


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "it is not valid JSON"),
        ("[1]", "it is not a JSON object"),
        ('{"sku": "A", "image": "a.jpg", "size": NaN}', "it is not valid JSON"),
        ('{"sku": "A", "image": "a.jpg", "size": 1e999}', "cannot be stored"),
        ('{"sku": "\\ud800", "image": "a.jpg"}', "cannot be stored"),
        ('{"sku": "A", "image": "a.jpg", "sizes": [1, 2]}', "column sizes holds a list"),
        ('{"sku": ["A"], "image": "a.jpg"}', "column sku holds a list"),
    ],
)
def test_a_bad_line_of_json_is_left_out(line: str, words: str) -> None:
    manifest = parse('{"sku": "B", "image": "b.jpg"}\n' + line, "p.jsonl")
    assert [row.sku for row in manifest.rows] == ["B"]
    (told,) = refusals(manifest)
    assert told.startswith("p.jsonl, row 2: ")
    assert words in told


def test_json_lines_without_a_single_object_are_no_manifest() -> None:
    with pytest.raises(InvalidInput, match=r"p\.jsonl holds no JSON object: write one object"):
        parse("sku,image\nA,a.jpg\n", "p.jsonl")


def test_rows_of_one_sku_that_agree_are_one_product() -> None:
    manifest = parse("sku,image,title,colour\nA,a.jpg,Dress,red\nA,b.jpg,,\nA,a.jpg,Dress,\n")
    (row,) = manifest.rows
    assert (row.number, row.images) == (2, ("a.jpg", "b.jpg"))
    assert (row.fields.title, row.fields.attributes) == ("Dress", {"colour": "red"})


def test_a_duplicate_sku_that_disagrees_is_refused_naming_both_rows() -> None:
    manifest = parse("sku,image,title\nA,a.jpg,Dress\nA,b.jpg,Shirt\n")
    assert [row.images for row in manifest.rows] == [("a.jpg",)]
    assert refusals(manifest) == [
        "p.csv, row 3: SKU A is already in row 2 with other values: keep one of the two rows, or "
        "make them agree."
    ]


WORDS = (
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)
    .map(str.strip)
    .filter(bool)
)
SKUS = WORDS.filter(str.isprintable)


@given(st.dictionaries(SKUS, st.tuples(WORDS, WORDS), min_size=1), st.sampled_from(",;\t"))
def test_what_a_csv_writer_writes_comes_back(
    products: dict[str, tuple[str, str]], delimiter: str
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerow(["sku", "image", "title", "care"])
    writer.writerows([sku, "a.jpg", *words] for sku, words in products.items())
    manifest = parse_manifest(file.getvalue().encode(), "p.csv")
    assert manifest.refused == []
    found = {row.sku: (row.fields.title, row.fields.attributes) for row in manifest.rows}
    assert found == {
        sku: (" ".join(title.split()), {"care": care}) for sku, (title, care) in products.items()
    }


@given(st.binary(max_size=200), st.sampled_from(["p.csv", "p.jsonl"]))
def test_no_bytes_whatever_break_it(data: bytes, name: str) -> None:
    for content in (data, b"sku,image\n" + data, b'{"sku": 1, "image": 2}\n' + data):
        with suppress(InvalidInput):
            manifest = parse_manifest(content, name)
            assert all(row.sku for row in manifest.rows)
