"""Which column is which: told by names in several languages, by content, or by the manager."""

from __future__ import annotations

import pytest

from backend.catalogue.manifest_columns import Layout, lay_out, normal, picture_names
from backend.catalogue.manifest_tables import read_table
from backend.catalogue.schemas import ManifestOptions
from backend.errors import InvalidInput


def layout(text: str, name: str = "p.csv", **options: object) -> Layout:
    return lay_out(read_table(text.encode(), name), ManifestOptions.model_validate(options))


def given(found: Layout) -> dict[str, tuple[str, ...]]:
    return {field: columns for field, columns in found.fields.items() if columns}


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        (
            "Handle,Title,Body (HTML),Vendor,Type,Variant SKU,Variant Price,Image Src",
            {
                "sku": ("Variant SKU",),
                "image": ("Image Src",),
                "title": ("Title",),
                "category": ("Type",),
                "price": ("Variant Price",),
            },
        ),
        (
            "ID,Type,SKU,Name,Published,Categories,Regular price,Images",
            {
                "sku": ("SKU",),
                "image": ("Images",),
                "title": ("Name",),
                "category": ("Categories",),
                "price": ("Regular price",),
            },
        ),
        (
            "g:id\tg:title\tg:product_type\tg:image_link\tg:additional_image_link\tg:price",
            {
                "sku": ("g:id",),
                "image": ("g:image_link", "g:additional_image_link"),
                "title": ("g:title",),
                "category": ("g:product_type",),
                "price": ("g:price",),
            },
        ),
        (
            "Artikel-Nr.;Bezeichnung;Warengruppe;Preis;Währung;Bild;Bild 2;Größe",
            {
                "sku": ("Artikel-Nr.",),
                "image": ("Bild", "Bild 2"),
                "title": ("Bezeichnung",),
                "category": ("Warengruppe",),
                "price": ("Preis",),
                "currency": ("Währung",),
            },
        ),
        (
            "Référence;Nom;Catégorie;Prix;Devise;Photo",
            {
                "sku": ("Référence",),
                "image": ("Photo",),
                "title": ("Nom",),
                "category": ("Catégorie",),
                "price": ("Prix",),
                "currency": ("Devise",),
            },
        ),
    ],
)
def test_headers_of_shops_and_languages(header: str, fields: dict[str, tuple[str, ...]]) -> None:
    found = layout(header + "\n")
    assert given(found) == fields
    assert set(found.chosen_by.values()) == {"name"}
    assert found.missing == ()


def test_an_alias_beside_the_proper_column_is_an_attribute() -> None:
    found = layout("id,sku,image,name,title\n")
    assert given(found) == {"sku": ("sku",), "image": ("image",), "title": ("title",)}
    assert found.others == ("id", "name")


def test_columns_without_a_known_name_are_told_by_their_content() -> None:
    text = "Stücknummer;Vorne;Hinten;Farbe\n7;a.jpg;a2.JPG;rot\n8;b.png;;blau\n"
    found = layout(text)
    assert given(found) == {"sku": ("Stücknummer",), "image": ("Vorne", "Hinten")}
    assert set(found.chosen_by.values()) == {"content"}
    assert found.others == ("Farbe",)


@pytest.mark.parametrize(
    "text",
    [
        "lotno,palletno,image\n1,7,a.jpg\n2,8,b.jpg\n",  # two that could be it
        "lotno,image\n1,a.jpg\n1,b.jpg\n",  # the same twice
        "lotno,image\n1,a.jpg\n,b.jpg\n",  # an empty one
        "colour,image\nred,a.jpg\nblue,b.jpg\n",  # not named like a number
    ],
)
def test_what_is_not_plain_is_not_guessed(text: str) -> None:
    assert layout(text).missing == ("sku",)


def test_a_column_with_anything_but_pictures_is_none_of_pictures() -> None:
    assert layout("sku,proof\nA,a.jpg\nB,see below\n").missing == ("image",)


def test_the_choice_goes_before_every_guess() -> None:
    text = "sku;Artikelnummer;image;name;note\n1;A;a.jpg;Dress;x\n"
    found = layout(text, columns={"sku": "Artikelnummer", "title": None}, ignored_columns=["note"])
    assert given(found) == {"sku": ("Artikelnummer",), "image": ("image",)}
    assert found.others == ("sku", "name")
    assert found.chosen_by == {"Artikelnummer": "you", "image": "name"}


def test_several_columns_may_be_chosen_for_pictures() -> None:
    found = layout("sku,front,back\nA,x,y\n", columns={"image": ["front", "back"]})
    assert found.fields["image"] == ("front", "back")


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            {"sku": "Nummer"},
            "p.csv has no column 'Nummer', which was chosen for sku (its columns: sku, image): "
            "choose another.",
        ),
        ({"title": ["sku", "image"]}, "2 columns were chosen for title (sku, image): choose one."),
        (
            {"title": "sku", "category": "sku"},
            "The column 'sku' was chosen for two fields: choose one of them.",
        ),
    ],
)
def test_a_choice_that_cannot_be_is_told(columns: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        layout("sku,image\nA,a.jpg\n", columns=columns)
    assert refusal.value.sentence == sentence


def test_what_an_export_declares_is_an_attribute_whatever_its_name() -> None:
    declared = '{"akin_attributes": [{"slug": "preis", "label": "Preis", "kind": "keyword"}]}\n'
    found = layout(declared + '{"sku": "A", "preis": "hoch", "images": []}\n', "p.jsonl")
    assert (found.fields["price"], found.others) == ((), ("preis",))


@pytest.mark.parametrize(
    ("column", "name"),
    [("g:Image-Link *", "image_link"), ("Größe", "große".replace("ß", "ss")), ("Prix (€)", "prix")],
)
def test_names_are_compared_without_case_accents_and_punctuation(column: str, name: str) -> None:
    assert normal(column) == name


def test_no_value_breaks_the_pictures_of_a_cell() -> None:
    assert picture_names(None) == []
    assert picture_names(["a.jpg", None, " b.jpg "]) == ["a.jpg", "b.jpg"]
    assert picture_names("https://shop.example/") == ["https://shop.example/"]


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("http://[x", ["http://[x"]),
        ("http://[x/a.jpg", ["a.jpg"]),
        ("http://℀.com/a.jpg", ["a.jpg"]),
        ("https://shop.example:port/b/a.jpg?x=/y#/z", ["a.jpg"]),
        ("https://shop.example#/a.jpg", ["https://shop.example#/a.jpg"]),
        ("https://shop.example/a%20b.jpg", ["a b.jpg"]),
        ("https://shop.example/folder/", ["https://shop.example/folder/"]),
    ],
)
def test_addresses_that_are_none_are_names_like_others(cell: str, names: list[str]) -> None:
    assert picture_names(cell) == names


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        (f"a{' ' * 1_000_000}b", [f"a{' ' * 1_000_000}b"]),
        (
            f" a.jpg{' ' * 1_000_000},{' ' * 1_000_000}b.jpg ; \n c.jpg,",
            ["a.jpg", "b.jpg", "c.jpg"],
        ),
        (" a.jpg , and more ", ["a.jpg , and more"]),
        (" , ; ", [", ;"]),
    ],
)
def test_blanks_round_the_parts_of_a_cell_do_not_count(cell: str, names: list[str]) -> None:
    assert picture_names(cell) == names
