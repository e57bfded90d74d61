from __future__ import annotations

from pathlib import Path

import pytest

from backend.errors import InvalidInput
from workers.datasets.wardrobe.dataset import write_dataset
from workers.datasets.wardrobe_folder import load, products, splits_in


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wardrobe") / "shop"
    write_dataset(out, 60, seed=2, size=32)
    return out


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_drawn_wardrobe_is_read_whole(shop, split):
    (one,) = load(shop, split)
    listed = products(shop)
    assert one.name == f"wardrobe/{split}"
    assert set(one.gallery) == {sku for sku, product in listed.items() if product.split == split}
    assert not one.missing
    assert one.usable == one.triplets
    assert {len(triplet.captions) for triplet in one.triplets} == {2}
    for triplet in one.triplets:
        assert triplet.category == listed[triplet.reference].category


def test_products_have_the_titles_that_lincir_trains_on(shop):
    assert len(products(shop)) == 60
    assert all(product.title for product in products(shop).values())


def test_a_folder_without_its_manifest_is_no_wardrobe(shop, tmp_path):
    assert splits_in(shop) == ("train", "val", "test")
    (tmp_path / "captions").symlink_to(shop / "captions")
    (tmp_path / "image_splits").symlink_to(shop / "image_splits")
    assert splits_in(tmp_path) == ()
    with pytest.raises(InvalidInput, match=r"manifest of a Wardrobe was not found .*products\.csv"):
        load(tmp_path, "val")


def test_a_wrong_row_of_the_manifest_is_told(shop, tmp_path):
    for name in ("captions", "image_splits", "images"):
        (tmp_path / name).symlink_to(shop / name)
    (tmp_path / "products.csv").write_text("sku,title,split\na,b,train\n")
    with pytest.raises(InvalidInput, match=r'products\.csv, row 0: "category" must be a text'):
        load(tmp_path, "val")
