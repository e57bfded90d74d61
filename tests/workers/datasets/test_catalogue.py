from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from backend.catalogue.exporting import export_zip
from backend.errors import InvalidInput
from backend.runtime import Runtime
from tests.workers.datasets.samples import write_images
from tests.workers.workshop import import_files, photo
from workers.datasets.catalogue import load, read_catalogue, splits_in

ATTRIBUTES = {"akin_attributes": [{"key": "colour", "label": "Colour", "kind": "text"}]}


def product(sku: str, split: str | None, *images: str, **more: Any) -> dict[str, Any]:
    return (
        {"sku": sku, "title": f"the {sku}", "category": "dress", "split": split}
        | more
        | {"images": [f"images/{name}.png" for name in images]}
    )


PRODUCTS = (
    product("d1", "train", "aa", "ab"),
    product("d2", "train", "ac", colour="red"),
    product("d3", "val", "aa"),  # the same picture as d1's first
    product("d4", None),
)


def write_lines(path: Path, *objects: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in objects))
    return path.parent


@pytest.fixture
def export(tmp_path: Path) -> Path:
    write_lines(tmp_path / "products.jsonl", ATTRIBUTES, *PRODUCTS)
    write_images(tmp_path / "images", "aa.png", "ab.png", "ac.png")
    return tmp_path


def test_every_image_of_a_product_is_in_the_gallery_the_first_by_its_sku(export):
    (train,) = load(export, "train")
    assert train.name == "catalogue/train"
    assert train.gallery == ("d1", "d1 #2", "d2")
    assert train.images["d1 #2"] == export / "images/ab.png"
    assert splits_in(export) == ("all", "train", "val")


def test_the_whole_catalogue_counts_products_without_a_picture_as_missing(export):
    (whole,) = load(export)
    assert whole.gallery == ("d1", "d1 #2", "d2", "d3", "d4")
    assert whole.missing == ("d4",)
    assert whole.images["d1"] == whole.images["d3"]


def test_triplets_between_products_are_optional_and_belong_to_the_split_of_both(export):
    triplets = [
        {"reference": "d2", "target": "d1", "captions": ["blue", "and longer"]},
        {"reference": "d1", "target": "d2", "captions": "in red"},
        {"reference": "d1", "target": "d3", "captions": "shorter"},
    ]
    write_lines(export / "triplets.jsonl", *triplets)
    catalogue = read_catalogue(export)
    first, second = catalogue.split("train").triplets
    assert first.captions == ("blue", "and longer")
    assert first.positives == ("d1", "d1 #2")  # either picture of the product will do
    assert (second.reference, second.positives, second.category) == ("d1", (), "dress")
    assert catalogue.split("val").triplets == ()
    assert len(catalogue.split("all").triplets) == 3
    assert catalogue.mixed() == 1


def test_a_real_export_is_read_whole(runtime: Runtime, tmp_path: Path):
    manifest = [
        {"sku": "S/1 ü", "title": "rot", "split": "train", "images": ["b.png", "a.jpg"], "size": 5},
        {"sku": "three", "category": "hat", "split": "val", "images": ["a.jpg"]},
        {"sku": "none", "images": []},
    ]
    lines = "\n".join(map(json.dumps, manifest)).encode()
    files = {"p.jsonl": lines, "a.jpg": photo("red"), "b.png": photo("blue", "PNG")}
    assert import_files(runtime, files).failed == 0
    archive = b"".join(export_zip(runtime.database, runtime.blobs))
    zipfile.ZipFile(io.BytesIO(archive)).extractall(tmp_path)
    catalogue = read_catalogue(tmp_path)
    assert catalogue.products["S/1 ü"].title == "rot"
    whole = catalogue.split("all")
    assert set(whole.gallery) == {"S/1 ü", "S/1 ü #2", "three", "none"}
    assert whole.missing == ("none",)
    assert whole.images["S/1 ü"].read_bytes() == photo("blue", "PNG")
    assert catalogue.split("val").gallery == ("three",)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ({"sku": "d1", "images": []}, "line 6: d1 comes twice: keep one line of it"),
        ({"sku": "", "images": []}, '"sku" must be a name or a number'),
        ({"sku": "x", "images": 5}, '"images" must be a list'),
        ({"sku": "x", "title": 5}, '"title" must be a text'),
        ([], "line 6: it is not a JSON object"),
    ],
)
def test_a_wrong_product_is_told_with_its_line(export, line, sentence):
    write_lines(export / "products.jsonl", ATTRIBUTES, *PRODUCTS, line)
    with pytest.raises(InvalidInput, match=sentence) as told:
        load(export)
    assert "products.jsonl" in told.value.sentence


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ({"reference": "d1", "target": "d9", "captions": "a"}, "products.jsonl has no product d9"),
        ({"reference": "d1", "target": "d1", "captions": "a"}, "reference and target are both d1"),
        ({"reference": "d1", "target": "d2"}, '"captions" must be a list'),
    ],
)
def test_a_wrong_triplet_is_told_with_its_line(export, line, sentence):
    write_lines(export / "triplets.jsonl", line)
    with pytest.raises(InvalidInput, match=sentence) as told:
        load(export)
    assert "triplets.jsonl, line 1" in told.value.sentence


def test_no_image_of_a_product_reaches_out_of_the_folder(tmp_path):
    write_images(tmp_path, "secret.png")
    folder = write_lines(tmp_path / "in/products.jsonl", product("d1", None, "../../secret"))
    assert load(folder)[0].missing == ("d1",)


def test_a_split_without_products_is_told(export):
    with pytest.raises(InvalidInput, match="has no products of the split test"):
        load(export, "test")


def test_a_folder_that_is_no_export_is_told(tmp_path):
    with pytest.raises(InvalidInput, match=r"exported catalogue was not found .*products\.jsonl"):
        load(tmp_path)
