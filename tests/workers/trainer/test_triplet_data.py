"""Training triplets as rows, and the ways in which each is told."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from backend.errors import InvalidInput
from tests.workers.datasets.samples import write_json
from tests.workers.trainer.benchmark_data import catalogue, paint
from workers.datasets.opening import open_dataset
from workers.datasets.wardrobe.dataset import write_dataset
from workers.trainer.triplet_data import choosing_splits, training_triplets, wordings


def fashioniq(folder, captions, missing=()):
    names = [f"{n}" for n in range(6)]
    rows = [
        {"candidate": names[n], "target": names[n + 1], "captions": list(pair)}
        for n, pair in enumerate(captions)
    ]
    write_json(folder / "captions/cap.dress.train.json", rows)
    write_json(folder / "image_splits/split.dress.train.json", names)
    paint(folder / "images", *(f"{name}.png" for name in names if name not in missing))
    return folder


def test_fashioniq_is_told_in_four_ways():
    assert wordings(("Is red. ", " is longer?"), "fashioniq") == (
        "Is red and is longer", "is longer and Is red", "Is red", "is longer",
    )  # fmt: skip


def test_elsewhere_each_caption_tells_all_of_it():
    assert wordings(("make it red", "in red"), "wardrobe") == ("make it red", "in red")
    assert wordings(("two dogs",), "cirr") == ("two dogs",)


def test_each_way_comes_a_quarter_of_the_time_and_anew_each_epoch(tmp_path):
    data = training_triplets(fashioniq(tmp_path, [("is red", "is long")] * 5))
    rows = np.zeros(4000, dtype=np.int64)
    told = [data.texts[row] for epoch in range(4000) for row in data.told(rows[:1], epoch, 3)]
    shares = Counter(told)
    assert set(shares) == {"is red and is long", "is long and is red", "is red", "is long"}
    assert all(850 < count < 1150 for count in shares.values())


def test_the_wording_depends_on_seed_epoch_and_triplet_alone(tmp_path):
    data = training_triplets(fashioniq(tmp_path, [("is red", "is long"), ("a", "b"), ("c", "d")]))
    rows = np.array([2, 0, 1])
    both = data.told(rows, 7, 1)
    assert [data.told(np.array([row]), 7, 1)[0] for row in rows] == list(both)


def test_missing_pictures_are_named_and_their_triplets_left_out(tmp_path):
    data = training_triplets(fashioniq(tmp_path, [("a", "b")] * 4, missing={"2"}))
    assert data.counts == {"triplets": 2, "images": 4}
    assert "1 of 6 images are missing" in data.remarks[0]


def test_without_any_picture_the_sentence_says_where_they_belong(tmp_path):
    folder = fashioniq(tmp_path, [("a", "b")], missing={"0", "1", "2", "3", "4", "5"})
    with pytest.raises(InvalidInput, match="none of its 6 images is in"):
        training_triplets(folder)


def test_a_folder_of_pictures_has_no_triplets(tmp_path):
    paint(tmp_path, "a.png", "b.png")
    with pytest.raises(InvalidInput, match="has no triplets to train on"):
        training_triplets(tmp_path)


def test_a_catalogue_trains_on_its_split_and_chooses_where_there_are_triplets(tmp_path):
    whole = catalogue(tmp_path / "whole")
    data = training_triplets(whole)
    assert data.counts == {"triplets": 11, "images": 12}
    assert data.names[0] == "train-0"
    assert data.wordings.shape == (11, 2)  # each caption tells all of it
    (chosen,) = choosing_splits(open_dataset(whole))
    assert chosen.counts["triplets"] == 11
    unchosen = catalogue(tmp_path / "unchosen", told=("train",))
    assert choosing_splits(open_dataset(unchosen)) == ()


def test_a_catalogue_without_training_triplets_says_so(tmp_path):
    folder = catalogue(tmp_path, told=("test",))
    with pytest.raises(InvalidInput, match="holds no training triplets"):
        training_triplets(folder)


def test_all_pairs_of_a_family_can_be_asked_for(tmp_path):
    write_dataset(tmp_path / "w", 18, size=32, all_pairs=True)
    data = training_triplets(tmp_path / "w")
    assert data.counts == {"triplets": 30, "images": 6}
    pairs = set(zip(data.references.tolist(), data.targets.tolist(), strict=True))
    assert pairs == {(a, b) for a in range(6) for b in range(6) if a != b}


def test_added_triplets_are_told_by_each_of_their_captions_and_fashioniqs_in_four_ways(tmp_path):
    folder = fashioniq(tmp_path, [("is red", "is long")])
    row = {"candidate": "3", "target": "4", "captions": ["a hat instead of a cap", "a hat"]}
    write_json(folder / "captions/cap.extend_mine.train.json", [row])
    assert training_triplets(folder).counts == {"triplets": 1, "images": 2}
    data = training_triplets(folder, ["mine"])
    assert data.counts == {"triplets": 2, "images": 4}
    assert data.digest != training_triplets(folder).digest
    told = [{data.texts[row] for row in ways if row >= 0} for ways in data.wordings]
    assert told == [
        {"is red and is long", "is long and is red", "is red", "is long"},
        {"a hat instead of a cap", "a hat"},
    ]
    drawn = Counter(data.texts[data.told(np.array([1]), epoch, 0)[0]] for epoch in range(2000))
    assert set(drawn) == told[1]
    assert all(900 < count < 1100 for count in drawn.values())


def test_a_folder_with_nothing_but_added_triplets_says_how_to_take_them(tmp_path):
    paint(tmp_path / "images", "1.png", "2.png")
    row = {"candidate": "1", "target": "2", "captions": ["in red"]}
    write_json(tmp_path / "captions/cap.extend_mine.train.json", [row])
    with pytest.raises(InvalidInput, match=r"take them with --set added=mine\.$"):
        training_triplets(tmp_path)
    assert training_triplets(tmp_path, ["mine"]).counts == {"triplets": 1, "images": 2}
