from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.errors import InvalidInput
from workers.captioning.metadata import MetadataCaptioner, manifest_in
from workers.datasets.wardrobe.dataset import write_dataset


def quiet(stage, done, total):
    pass


def caption(manifest, pictures, template=None):
    return MetadataCaptioner(manifest, template).caption(pictures, {}, quiet, lambda: False)


def products(folder, *rows):
    path = folder / "products.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def pictures_in(folder, *names):
    return {name: folder / "images" / f"{name}.jpg" for name in names}


def test_the_title_is_the_caption(tmp_path):
    manifest = products(
        tmp_path,
        {"akin_attributes": [{"slug": "colour", "label": "Colour", "kind": "keyword"}]},
        {"sku": "A", "title": "Red dress.", "category": "dress", "images": ["images/1.jpg"]},
        {"sku": "B", "title": "Blue shirt", "images": ["images/2.jpg", "images/3.jpg"]},
    )
    found = caption(manifest, pictures_in(tmp_path, "1", "2", "3"))
    assert found.texts == {"1": "Red dress", "2": "Blue shirt", "3": "Blue shirt"}


def test_without_a_title_attributes_and_category_are(tmp_path):
    """Not prices, numbers, addresses and what a product has not."""
    manifest = products(
        tmp_path,
        {
            "sku": "A",
            "title": "",
            "category": "dress",
            "price": "9.99",
            "colour": "red",
            "pattern": "striped",
            "logo": "none",
            "size": 38,
            "page": "https://example.org/a",
            "images": ["images/1.jpg"],
        },
    )
    assert caption(manifest, pictures_in(tmp_path, "1")).texts == {"1": "red striped dress"}


def test_a_template_takes_columns(tmp_path):
    manifest = products(
        tmp_path,
        {"sku": "A", "colour": "red", "type": "dress", "images": ["images/1.jpg"]},
        {"sku": "B", "type": "shirt", "images": ["images/2.jpg"]},
    )
    found = caption(manifest, pictures_in(tmp_path, "1", "2"), "a {colour} {type}.")
    assert found.texts == {"1": "a red dress"}
    assert found.failed == {"2": f"its row in {manifest} lacks a column of the template"}


@pytest.mark.parametrize("template", ["a {size}", "a dress", "{}"])
def test_a_template_of_other_columns_or_none_is_told(tmp_path, template):
    manifest = products(tmp_path, {"sku": "A", "colour": "red", "images": ["images/1.jpg"]})
    with pytest.raises(InvalidInput, match=r"has to name columns of .*: its columns are sku, col"):
        MetadataCaptioner(manifest, template)


def test_pictures_without_a_row_or_words_are_named(tmp_path):
    manifest = products(tmp_path, {"sku": "A", "images": ["images/1.jpg"]})
    found = caption(manifest, pictures_in(tmp_path, "1", "2"))
    assert found.texts == {}
    assert found.failed == {
        "1": f"its row in {manifest} has no title, no category and no attributes",
        "2": f"no row of {manifest} names it",
    }


def test_two_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    manifest = products(
        tmp_path,
        {"sku": "A", "title": "Red", "images": ["x/1.jpg"]},
        {"sku": "B", "title": "Blue", "images": ["y/1.jpg"]},
    )
    pictures = {"first": tmp_path / "x/1.jpg", "second": tmp_path / "y/1.jpg"}
    pictures["third"] = tmp_path / "z/1.jpg"
    found = caption(manifest, pictures)
    assert found.texts == {"first": "Red", "second": "Blue"}
    assert list(found.failed) == ["third"]


def test_a_picture_elsewhere_is_known_by_its_name(tmp_path):
    manifest = products(tmp_path, {"sku": "A", "title": "Red", "images": ["images/1.jpg"]})
    assert caption(manifest, {"1": Path("/elsewhere/1.png")}).texts == {"1": "Red"}


def test_categories_are_told(tmp_path):
    manifest = products(
        tmp_path,
        {"sku": "A", "category": "dress", "images": ["images/1.jpg"]},
        {"sku": "B", "title": "x", "images": ["images/2.jpg"]},
    )
    told = MetadataCaptioner(manifest).categories(pictures_in(tmp_path, "1", "2"))
    assert told == {"1": "dress"}


def test_every_picture_of_wardrobe_has_its_title(tmp_path):
    write_dataset(tmp_path / "shop", 18, size=32)
    pictures = {path.stem: path for path in (tmp_path / "shop/images").iterdir()}
    found = caption(manifest_in(tmp_path / "shop"), pictures)
    assert len(found.texts) == 18
    assert found.failed == {}


def test_a_folder_without_a_manifest_is_told(tmp_path):
    with pytest.raises(InvalidInput, match=r"no products.jsonl or products.csv in"):
        manifest_in(tmp_path)


def test_a_manifest_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InvalidInput, match=r"x.csv cannot be read \(no such file or directory\)"):
        MetadataCaptioner(tmp_path / "x.csv")


def test_a_table_without_pictures_is_told(tmp_path):
    (tmp_path / "x.csv").write_text("sku,title\nA,Red\n")
    with pytest.raises(InvalidInput, match="has no column that names pictures"):
        MetadataCaptioner(tmp_path / "x.csv")
