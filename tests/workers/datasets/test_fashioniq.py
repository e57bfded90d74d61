from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from backend.errors import InvalidInput
from tests.workers.datasets.samples import fashioniq, write_images, write_json
from workers.datasets.fashioniq import CATEGORIES, PUBLISHED, SPLITS, load, splits_in

REAL = Path(__file__).parents[4] / "shared/data/fashion-iq"
real = pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/fashion-iq is not there")


def test_each_category_is_a_split_with_its_own_gallery_and_rows(tmp_path):
    dress, shirt = load(fashioniq(tmp_path), "val")
    assert (dress.name, shirt.name) == ("fashioniq/dress/val", "fashioniq/shirt/val")
    assert dress.gallery == ("d1", "d2", "both")
    assert (dress.rows["both"], shirt.rows["both"]) == (2, 0)  # one image, two galleries


def test_the_candidate_is_the_reference_and_captions_stay_as_they_are(tmp_path):
    first, second = load(fashioniq(tmp_path), "val", ["dress"])[0].triplets
    assert (first.id, first.reference, first.target) == ("dress-0", "d1", "d2")
    assert first.captions == ("is red.", "has long sleeves ")
    assert second.captions == ("", "and blue")
    assert first.category == "dress"


@pytest.mark.parametrize("layout", ["captions", "json"])
@pytest.mark.parametrize("ending", ["jpg", "png", "JPEG"])
def test_codes_differ_in_folders_and_endings(tmp_path, layout, ending):
    fashioniq(tmp_path, layout)
    write_images(tmp_path / "images", f"d1.{ending}", f"d2.{ending}", f"sub/both.{ending}")
    (dress,) = load(tmp_path, "val", ["dress"])
    assert not dress.missing
    assert dress.images["both"] == tmp_path / f"images/sub/both.{ending}"


@pytest.mark.parametrize("name", ["fashion-iq", "fashionIQ", "fashionIQ_dataset"])
def test_the_folder_above_will_do_as_well(tmp_path, name):
    fashioniq(tmp_path / name)
    assert len(load(tmp_path, "val")) == 2


def test_missing_images_are_counted_and_named(tmp_path):
    write_images(fashioniq(tmp_path) / "images", "d1.png", "d2.png")
    (dress,) = load(tmp_path, "val", ["dress"])
    assert dress.missing == ("both",)
    assert [one.id for one in dress.usable] == ["dress-0"]
    assert f"missing from {tmp_path / 'images'} (both)" in (dress.missing_sentence() or "")


def test_the_test_split_has_no_targets(tmp_path):
    rows = [{"candidate": "d1", "captions": ["a", "b"]}]
    write_json(tmp_path / "captions/cap.dress.test.json", rows)
    write_json(tmp_path / "image_splits/split.dress.test.json", ["d1", "d2"])
    (split,) = load(tmp_path, "test")
    assert [one.target for one in split.triplets] == [None]


def test_added_triplets_bring_their_own_list_of_images_and_are_read_on_demand(tmp_path):
    rows = [{"candidate": "x", "target": "y", "captions": ["blue dress"], "caption1": "a"}]
    write_json(fashioniq(tmp_path) / "captions/cap.extend_clip.val.json", rows)
    (added,) = load(tmp_path, "val", ["extend_clip"])
    assert added.gallery == ("x", "y")
    assert added.triplets[0].captions == ("blue dress",)
    assert [split.name for split in load(tmp_path, "val")] == [
        "fashioniq/dress/val",
        "fashioniq/shirt/val",
    ]


def test_splits_in_says_which_are_there(tmp_path):
    assert splits_in(fashioniq(tmp_path / "there")) == ("val",)
    assert splits_in(tmp_path) == ()


def test_a_folder_that_holds_something_else_is_told_what_was_expected(tmp_path):
    with pytest.raises(InvalidInput) as told:
        load(tmp_path, "val")
    assert told.value.sentence == (
        f"The captions of the split val were not found in {tmp_path}: expected there is "
        "captions/cap.dress.val.json or json/cap.dress.val.json: "
        "download it there, or give the folder that holds it."
    )


def test_a_folder_too_far_up_is_told_which_to_give(tmp_path):
    fashioniq(tmp_path / "data/sets")
    with pytest.raises(InvalidInput, match=rf"it lies in .*: give {tmp_path}/data/sets instead\."):
        load(tmp_path, "val")


def test_captions_in_a_folder_of_another_name_are_told_where_to_move(tmp_path):
    fashioniq(tmp_path, "texts")
    with pytest.raises(InvalidInput, match=r"move .*/texts/cap\.dress\.val\.json there\."):
        load(tmp_path, "val")


def test_a_missing_list_of_images_is_told(tmp_path):
    (fashioniq(tmp_path) / "image_splits/split.shirt.val.json").unlink()
    with pytest.raises(InvalidInput, match=r"list of images .*image_splits/split\.shirt\.val"):
        load(tmp_path, "val")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"target": "d2", "captions": ["a"]}, '"candidate" must be a name or a number'),
        ({"target": 5.5, "candidate": "d1", "captions": ["a"]}, '"target" must be a name'),
        ({"target": "d2", "candidate": "d1", "captions": [None]}, '"captions" must be a text'),
        ({"target": "d2", "candidate": "d1", "captions": []}, "and not an empty one"),
        ({"target": "d1", "candidate": "d1", "captions": ["a"]}, "candidate and target are both"),
        ({"target": "s9", "candidate": "d1", "captions": ["a"]}, "s9, which triplet dress-0 names"),
    ],
)
def test_a_wrong_row_is_told_with_its_file(tmp_path, row, sentence):
    write_json(fashioniq(tmp_path) / "captions/cap.dress.val.json", [row])
    with pytest.raises(InvalidInput, match=sentence) as told:
        load(tmp_path, "val")
    assert "cap.dress.val.json" in told.value.sentence


def test_no_name_of_a_list_becomes_a_path(tmp_path):
    fashioniq(tmp_path / "data")
    write_images(tmp_path, "secret.png")
    rows = [{"target": "../../secret", "candidate": "d1", "captions": ["a"]}]
    write_json(tmp_path / "data/captions/cap.dress.val.json", rows)
    write_json(tmp_path / "data/image_splits/split.dress.val.json", ["d1", "../../secret"])
    (dress,) = load(tmp_path / "data", "val", ["dress"])
    assert set(dress.missing) == {"d1", "../../secret"}


@real
@pytest.mark.parametrize("split", SPLITS)
def test_the_published_captions_have_the_published_counts(split):
    loaded = load(REAL, split)
    assert [one.name for one in loaded] == [f"fashioniq/{c}/{split}" for c in CATEGORIES]
    for one in loaded:
        assert (len(one.triplets), len(one.gallery)) == PUBLISHED[one.name]
        assert {len(triplet.captions) for triplet in one.triplets} == {2}
        assert all(triplet.reference in one.rows for triplet in one.triplets)


@real
def test_the_published_validation_has_6016_queries_over_galleries_that_overlap():
    loaded = load(REAL, "val")
    assert sum(len(one.triplets) for one in loaded) == 6_016
    named = [name for one in loaded for name in one.gallery]
    assert (len(named), len(set(named))) == (15_536, 15_415)
    both = next(name for name, count in Counter(named).items() if count > 1)
    holding = [one for one in loaded if both in one.rows]
    assert all(one.gallery[one.rows[both]] == both for one in holding)


@real
@pytest.mark.parametrize(
    ("split", "empty"), [("train", {"toptee": 12}), ("val", {"toptee": 2, "shirt": 1})]
)
def test_the_published_captions_have_empty_ones(split, empty):
    found = Counter(
        triplet.category
        for one in load(REAL, split)
        for triplet in one.triplets
        for caption in triplet.captions
        if not caption.strip()
    )
    assert found == empty


@real
def test_the_published_training_has_18000_triplets():
    assert sum(len(one.triplets) for one in load(REAL, "train")) == 18_000
