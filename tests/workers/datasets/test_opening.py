from __future__ import annotations

import pytest

from backend.errors import InvalidInput
from tests.workers.datasets.samples import circo, cirr, fashioniq, write_images, write_json
from workers.datasets.opening import KINDS, kind_named, open_dataset
from workers.datasets.wardrobe.dataset import write_dataset


def test_a_folder_is_recognised_by_what_lies_in_it(tmp_path):
    fashioniq(tmp_path / "fashioniq")
    cirr(tmp_path / "cirr")
    circo(tmp_path / "circo")
    write_json(tmp_path / "genecis/genecis/focus_object.json", [])
    write_json(tmp_path / "coco/annotations/instances_val2017.json", {})
    write_images(tmp_path / "images", "deep/down/a.png")
    write_dataset(tmp_path / "wardrobe", 18, size=32)
    for name in ("imagenet_r", "catalogue"):
        (tmp_path / name).mkdir()
    (tmp_path / "imagenet_r/imgnet_real_query.txt").write_text("")
    (tmp_path / "catalogue/products.jsonl").write_text("")
    for name in KINDS:
        assert open_dataset(tmp_path / name).kind.name == name


def test_a_dataset_has_the_splits_that_are_there(tmp_path):
    dataset = open_dataset(fashioniq(tmp_path))
    assert dataset.splits == ("val",)
    assert [one.name for one in dataset.load("val")] == [
        "fashioniq/dress/val",
        "fashioniq/shirt/val",
    ]


def test_the_kind_can_be_named(tmp_path):
    write_images(fashioniq(tmp_path), "a.png")
    assert open_dataset(tmp_path, "images").load("all")[0].gallery == ("a.png",)
    with pytest.raises(InvalidInput, match="No dataset is called cirrr: choose one of wardrobe,"):
        open_dataset(tmp_path, "cirrr")
    assert kind_named("cirr").label == "CIRR"


def test_the_folder_above_a_dataset_is_told_which_to_give(tmp_path):
    cirr(tmp_path / "mine")  # its pictures are no folder of pictures
    with pytest.raises(InvalidInput, match=rf"but {tmp_path}/mine is CIRR: give that\."):
        open_dataset(tmp_path)


def test_a_folder_of_something_else_is_told_what_was_expected(tmp_path):
    with pytest.raises(InvalidInput, match=r"FashionIQ has captions/cap\.dress\.val\.json;"):
        open_dataset(tmp_path)


def test_a_file_and_nothing_are_no_folders(tmp_path):
    (tmp_path / "cirr.zip").write_bytes(b"PK")
    with pytest.raises(InvalidInput, match=r"cirr\.zip is not a folder: unpack it"):
        open_dataset(tmp_path / "cirr.zip")
    with pytest.raises(InvalidInput, match="is not a folder: give one that is there"):
        open_dataset(tmp_path / "gone")
