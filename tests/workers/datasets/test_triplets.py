from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backend.errors import InvalidInput
from workers.datasets.regions import Region
from workers.datasets.triplets import Triplet, TripletSplit, shown_names, triplet_split

FOUND = {name: Path(f"{name}.jpg") for name in ("a", "b", "c", "outside", "unlisted")}


def triplet(number: str, reference: str, target: str | None, **parts: tuple[str, ...]) -> Triplet:
    return Triplet(number, reference, ("is red",), target, **parts)  # type: ignore[arg-type]


def split(*triplets: Triplet, gallery: tuple[str, ...] = ("c", "a", "b", "gone")) -> TripletSplit:
    return triplet_split("shop/val", triplets, gallery, FOUND, source="cap.json")


def test_a_split_keeps_the_order_of_the_file_and_the_files_it_names():
    one = split(triplet("0", "outside", "b"))
    assert one.gallery == ("c", "a", "b", "gone")
    assert one.rows == {"c": 0, "a": 1, "b": 2, "gone": 3}
    assert set(one.images) == {"c", "a", "b", "outside"}  # of what was found, what it names
    assert one.found_gallery == ("c", "a", "b")


def test_missing_images_are_named_and_their_triplets_are_counted():
    one = split(triplet("0", "a", "b"), triplet("1", "lost", "b"), triplet("2", "a", "gone"))
    assert one.missing == ("gone", "lost")
    assert [t.id for t in one.usable] == ["0"]
    assert one.counts == {"triplets": 3, "usable": 1, "gallery": 4, "found": 3, "missing": 2}
    assert one.missing_sentence() == (
        "shop/val: 2 of 5 images are missing from the dataset's folder (gone, lost): "
        "1 of 3 triplets can be used, bring them for the rest."
    )


def test_the_sentence_says_where_pictures_belong():
    one = replace(split(triplet("0", "a", "b")), places=(Path("d/images"), Path("d/more")))
    assert "missing from d/images or d/more (gone)" in (one.missing_sentence() or "")


def test_where_no_image_is_there_at_all_the_sentence_is_short():
    one = triplet_split("shop/val", (), ("x", "y"), {}, source="s", places=[Path("d/images")])
    told = "shop/val: none of its 2 images is in d/images: bring them there."
    assert one.missing_sentence() == told


def test_where_nothing_is_missing_there_is_no_sentence():
    assert split(triplet("0", "a", "b"), gallery=("a", "b")).missing_sentence() is None


def test_a_triplet_whose_target_a_server_keeps_is_usable():
    assert len(split(triplet("0", "a", None)).usable) == 1


def test_answers_are_the_positives_or_else_the_target():
    assert triplet("0", "a", "b").answers == ("b",)
    assert triplet("0", "a", "b", positives=("b", "c")).answers == ("b", "c")
    assert triplet("0", "a", None).answers == ()
    assert triplet("0", "a", "b", subset=("b", "a")).names == ("a", "b", "b", "a")


def test_an_id_that_comes_twice_is_told():
    with pytest.raises(InvalidInput, match=r"cap.json: the id 7 comes twice: give each its own."):
        split(triplet("7", "a", "b"), triplet("8", "b", "a"), triplet("7", "b", "c"))


def test_a_gallery_name_that_comes_twice_is_told():
    with pytest.raises(InvalidInput, match=r"cap.json: the image a comes twice: list it once."):
        split(gallery=("a", "b", "a"))


@pytest.mark.parametrize(
    "wrong",
    [
        triplet("7", "a", "outside"),
        triplet("7", "a", "b", positives=("b", "outside")),
        triplet("7", "a", "b", subset=("b", "outside")),
    ],
)
def test_an_answer_outside_the_gallery_is_told(wrong):
    with pytest.raises(InvalidInput, match=r"outside, which triplet 7 names, is not in the gall"):
        split(wrong)


def test_the_digest_changes_with_what_the_annotations_say_and_with_nothing_else():
    one = split(triplet("0", "a", "b"))
    same = replace(one, images={}, missing=())
    assert one.digest == same.digest
    assert one.digest != split(triplet("0", "a", "c")).digest
    assert one.digest != replace(one, gallery=("a", "b")).digest
    assert one.digest != replace(one, regions={"a": Region((0, 0, 1, 1))}).digest


def test_regions_of_images_nobody_names_are_left_out():
    regions = {"a": Region((0, 0, 9, 9)), "unlisted": Region((0, 0, 9, 9))}
    one = triplet_split("s", (), ("a",), FOUND, regions, source="s.json")
    assert set(one.regions) == {"a"}


def test_a_sentence_shows_three_names():
    assert shown_names(["a", "b", "c"]) == "a, b, c"
    assert shown_names([str(n) for n in range(1003)]) == "0, 1, 2 and 1,000 more"


def test_a_name_of_any_length_leaves_its_sentence_readable():
    """Hypothesis found one of 400 digits."""
    endless = "1" * 400
    for made in (
        lambda: split(triplet(endless, "a", endless)),
        lambda: split(triplet(endless, "a", "b"), triplet(endless, "a", "b")),
        lambda: split(gallery=(endless, endless)),
    ):
        with pytest.raises(InvalidInput, match=r"1{57}\.\.\.") as told:
            made()
        assert len(told.value.sentence) < 300
    missing = split(triplet("0", endless, "b"), gallery=("b",)).missing_sentence()
    assert missing is not None
    assert len(missing) < 300
