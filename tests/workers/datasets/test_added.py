"""Triplets that were added to a dataset, read by their name."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.errors import InvalidInput
from tests.workers.datasets.samples import write_images, write_json
from workers.datasets.added import added_names, load_added
from workers.datasets.opening import open_dataset
from workers.datasets.wardrobe.dataset import write_dataset


def wardrobe(folder: Path) -> Path:
    write_dataset(folder, 18, size=32)
    skus = sorted(path.stem for path in (folder / "images").iterdir())
    rows = [{"target": skus[0], "candidate": skus[1], "captions": ["a hat instead", "no dress"]}]
    write_json(folder / "captions/cap.extend_mine.train.json", rows)
    return folder


def test_those_of_a_wardrobe_are_in_fashioniqs_format(tmp_path):
    dataset = open_dataset(wardrobe(tmp_path / "w"))
    (split,) = load_added(dataset, "mine")
    assert split.name == "wardrobe/extend_mine/train"
    assert [one.captions for one in split.usable] == [("a hat instead", "no dress")]
    assert added_names(dataset) == ["mine"]
    assert all("extend" not in one.name for one in dataset.load("train"))


def test_those_of_cirr_have_no_sets(tmp_path):
    names = ["train-1-0-img0", "train-1-1-img0"]
    listed = {name: f"./train/{name}.png" for name in names}
    write_json(tmp_path / "captions/cap.rc2.train.json", [])
    write_json(tmp_path / "image_splits/split.rc2.train.json", listed)
    row = {"pairid": 0, "reference": names[0], "target_hard": names[1], "caption": ["a", "b"]}
    write_json(tmp_path / "captions/cap.rc2.train.extend_mine.json", [row])
    write_images(tmp_path / "train", *(f"{name}.png" for name in names))
    (split,) = load_added(open_dataset(tmp_path), "mine")
    assert [(one.reference, one.target, one.captions) for one in split.usable] == [
        (names[0], names[1], ("a", "b"))
    ]


def test_a_name_that_is_not_there_is_told_with_the_file_looked_for(tmp_path):
    dataset = open_dataset(wardrobe(tmp_path / "w"))
    with pytest.raises(InvalidInput, match=r"cap\.extend_other\.train\.json"):
        load_added(dataset, "other")
