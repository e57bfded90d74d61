from __future__ import annotations

from pathlib import Path

import pytest

from backend.errors import InvalidInput
from workers.datasets.triplets import Triplet, TripletSplit
from workers.recipes.positives.material import gather


def split(name, gallery, triplets, category=None, missing=()):
    found = {one: Path(f"{one}.jpg") for one in gallery if one not in missing}
    told = tuple(
        Triplet(str(number), reference, ("x",), target, category=category)
        for number, (reference, target) in enumerate(triplets)
    )
    return TripletSplit(name, told, tuple(gallery), found, tuple(missing))


DRESS = split("fashioniq/dress/train", "abcd", [("a", "b"), ("a", "c")], "dress")
SHIRT = split("fashioniq/shirt/train", "defg", [("e", "d"), ("g", "f")], "shirt", missing="g")


def test_pictures_of_overlapping_splits_come_once():
    material = gather([DRESS, SHIRT])
    assert sorted(material.pictures) == list("abcdef")
    assert material.references == ("a", "e")
    assert material.missing == ("g",)


def test_the_first_split_says_what_a_picture_shows():
    assert gather([DRESS, SHIRT]).categories == {
        **dict.fromkeys("abcd", "dress"),
        **dict.fromkeys("ef", "shirt"),
    }


def test_only_the_pictures_that_triplets_name():
    assert sorted(gather([DRESS, SHIRT], named_only=True).pictures) == list("abcde")


def test_without_one_category_for_all_none_is_told():
    mixed = TripletSplit("w", (*DRESS.triplets, *SHIRT.triplets), DRESS.gallery, DRESS.images)
    assert gather([mixed]).categories == {}
    assert gather([split("cirr/train", "ab", [("a", "b")])]).categories == {}


def test_no_picture_at_all_is_told():
    with pytest.raises(InvalidInput, match=r"No picture of s is there: run akin dataset check"):
        gather([split("s", "ab", [("a", "b")], missing="ab")])
