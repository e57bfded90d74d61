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

from backend.catalogue.field_types import sku_form
from backend.catalogue.manifests import parse_manifest
from backend.catalogue.schemas import ManifestOptions
from backend.catalogue.unicode_forms import composed
from backend.errors import InvalidInput
from tests.backend.catalogue.manifests import parse, refusals


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
        "p.csv has no column 'image' (its columns: sku, title): add it, or say which column it is; "
        "every row needs a sku and an image."
    )
    with pytest.raises(InvalidInput, match="has no column 'sku'"):
        parse('{"image": "a.jpg"}', "p.jsonl")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "p.csv is empty: write a header and at least one row."),
        (
            b"sku,image\nA,t\xeate.jpg\n",
            "p.csv is not UTF-8 text: byte 0xea in line 2 does not belong there: save it as CSV in "
            "UTF-8, or say that it is Windows-1252.",
        ),
        (
            b"\xff\xfes\x00\x00",
            "p.csv is not UTF-16 text: byte 0x00 in line 1 does not belong there: save it as CSV "
            "in UTF-8, or say that it is Windows-1252.",
        ),
        (
            "sku,image".encode("utf-32"),
            "p.csv holds zero bytes, so it is no text: save it as CSV in UTF-8.",
        ),
        (b"\xef\xbb\xbf \r\n", "p.csv is empty: write a header and at least one row."),
        (b"sku\0", "p.csv holds zero bytes, so it is no text: save it as CSV in UTF-8."),
        (b"sku,image,sku\n", "p.csv has the column 'sku' twice: rename one of them."),
        (b"a,sku,a,image,a\n", "p.csv has the column 'a' 3 times: rename one of them."),
        (
            b'sku,image\nA,a.jpg\nB,"b"c.jpg\n',
            "p.csv cannot be read from row 3 on (',' expected after '\"'): check its quotes.",
        ),
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
        (
            "A,a.jpg,5,,",
            "price and currency go together: give both, or neither, or one currency for the whole "
            "import.",
        ),
        (
            "A,a.jpg,5 USD,EUR,",
            "the price is in USD and the currency is EUR: make them agree.",
        ),
        (
            "4.01234E+12,a.jpg,,,",
            "column sku: '4.01234E+12' is a number that a spreadsheet shortened: format the column "
            "as text, and fill in the whole number.",
        ),
        (
            "A\u200b,a.jpg,,,",
            "column sku: 'A\\u200b' is not characters that can be printed.",
        ),
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


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_and_newlines_in_quotes(end: str) -> None:
    text = end.join(['sku,"image\nfile",title', 'A,a.jpg,"Red\ndress"', "", "B,b.jpg", ""])
    manifest = parse_manifest(
        text.encode(), "p.csv", ManifestOptions(columns={"image": "image\nfile"})
    )
    assert [(row.number, row.sku, row.fields.title) for row in manifest.rows] == [
        (2, "A", "Red dress"),
        (4, "B", None),
    ]


def test_a_ragged_row_is_short_or_told() -> None:
    manifest = parse("sku,image,title,,\nA,a.jpg\nB,b.jpg,Hat,,\nC,c.jpg,Cap,,,more\n")
    assert [row.sku for row in manifest.rows] == ["A", "B"]
    assert refusals(manifest) == [
        "p.csv, row 4: it has 6 cells under 5 columns: put quotes round what holds the delimiter."
    ]


def test_cells_under_no_name_are_left_out() -> None:
    (row,) = parse("sku,,image, \nA,secret,a.jpg,note\n").rows
    assert row.fields.attributes is None


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;\r"])
def test_the_line_that_names_the_delimiter_is_understood(first: str) -> None:
    (row,) = parse(f"{first}\nsku;image;care\nA;a.jpg;hot, cold\n").rows
    assert (row.number, row.fields.attributes) == (3, {"care": "hot, cold"})


def test_a_delimiter_inside_quotes_does_not_count() -> None:
    (row,) = parse('"sku";"image";"size, in cm, or, so"\nA;a.jpg;38\n').rows
    assert row.fields.attributes == {"size, in cm, or, so": "38"}


def test_formulas_stay_text_and_the_apostrophe_before_one_goes() -> None:
    text = "sku,image,title,stock\n'-7,a.jpg,=1+2,'+5\n''-8,b.jpg,'tis,'6\n"
    first, second = parse(text).rows
    assert (first.sku, first.fields.title, first.fields.attributes) == (
        "-7",
        "=1+2",
        {"stock": "+5"},
    )
    assert (second.sku, second.fields.title) == ("'-8", "'tis")
    assert second.fields.attributes == {"stock": "'6"}


def test_windows_1252_is_read_where_it_is_named_and_utf_8_stays_utf_8() -> None:
    options = ManifestOptions(encoding="windows-1252")
    text = "sku;image;title\nÄ1;a.jpg;Kleid für 5 €\n"
    for encoding in ("cp1252", "utf-8", "utf-8-sig", "utf-16"):
        (row,) = parse_manifest(text.encode(encoding), "p.csv", options).rows
        assert (row.sku, row.fields.title) == ("Ä1", "Kleid für 5 €")
    with pytest.raises(InvalidInput, match="is neither UTF-8 nor Windows-1252 text: save it"):
        parse_manifest(b"sku,image\nA,\x81.jpg", "p.csv", options)


def test_a_price_may_bring_its_currency_and_the_import_a_common_one() -> None:
    text = "sku;image;price\nA;a.jpg;1.299,00 €\nB;b.jpg;5\n"
    rows = parse_manifest(text.encode(), "p.csv", ManifestOptions(currency="CHF")).rows
    assert [(str(r.fields.price), r.fields.currency) for r in rows] == [
        ("1299.00", "EUR"),
        ("5", "CHF"),
    ]


def test_a_currency_alone_says_nothing() -> None:
    (row,) = parse("sku,image,price,currency\nA,a.jpg,,EUR\n").rows
    assert (row.fields.price, row.fields.currency) == (None, None)


def test_pictures_of_the_web_count_by_their_file_names() -> None:
    text = "Handle,Image Src\nA,https://cdn.example/files/red%20dress.jpg?v=17\n"
    (row,) = parse(text, "shop/p.csv").rows
    assert row.images == ("shop/red dress.jpg",)


def test_pictures_are_parted_by_commas_where_all_are_pictures() -> None:
    first, second = parse('sku,images\nA,"a.jpg, b.png"\nB,"red, blue.jpg"\n').rows
    assert (first.images, second.images) == (("a.jpg", "b.png"), ("red, blue.jpg",))


def test_a_refused_row_says_its_cells_again_under_the_names_of_fields() -> None:
    text = "Artikelnummer;Bild;Foto 2;Preis;Farbe\nA;a.jpg;b.jpg;billig;rot\n"
    (bad,) = parse(text).refused
    assert bad.cells == {"sku": "A", "image": "a.jpg|b.jpg", "price": "billig", "Farbe": "rot"}


def test_what_akin_remarked_in_a_report_is_passed_over() -> None:
    text = "akin_line,akin_reason,sku,image\nrow 2,No.,A,a.jpg\nx.jpg,Not a picture.,,\n"
    manifest = parse(text)
    assert [(row.sku, row.fields.attributes) for row in manifest.rows] == [("A", None)]
    assert manifest.refused == []


def test_a_declaration_that_no_export_writes_is_refused() -> None:
    line = json.dumps({"akin_attributes": [{"slug": "a", "label": "A", "kind": "magic"}]})
    with pytest.raises(InvalidInput, match="akin_attributes is not what an export writes"):
        parse(line, "p.jsonl")


WORDS = (
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)
    .map(str.strip)
    .filter(lambda word: word and "'" not in word)
)
SKUS = WORDS.map(sku_form).filter(str.isprintable)


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
        sku: (composed(" ".join(title.split())), {"care": care})
        for sku, (title, care) in products.items()
    }


@given(st.binary(max_size=200), st.sampled_from(["p.csv", "p.jsonl"]))
def test_no_bytes_whatever_break_it(data: bytes, name: str) -> None:
    for content in (data, b"sku,image\n" + data, b'{"sku": 1, "image": 2}\n' + data):
        with suppress(InvalidInput):
            manifest = parse_manifest(content, name)
            assert all(row.sku for row in manifest.rows)
