from __future__ import annotations

import json
from typing import Any

import pytest

from backend.errors import InvalidInput
from tests.workers.datasets.samples import cirr, write_images, write_json
from workers.datasets.cirr import load, splits_in
from workers.datasets.opening import open_dataset


def edit(path, **changes: Any) -> None:
    rows = json.loads(path.read_text())
    rows[0] |= changes
    path.write_text(json.dumps(rows))


def test_a_pair_names_its_set_of_six(tmp_path):
    (val,) = load(cirr(tmp_path), "val")
    assert val.name == "cirr/val"
    assert len(val.gallery) == 7
    one = val.triplets[0]
    assert (one.id, one.reference, one.target) == ("12063", "dev-0-0-img0", "dev-1-0-img0")
    assert one.captions == ("show two of them",)
    assert one.subset == tuple(f"dev-{n}-0-img0" for n in range(6))
    assert one.positives == ()
    assert not val.missing


def test_the_layouts_of_the_published_codes_are_all_read(tmp_path):
    for root, texts, given in [
        ("clip4cir/cirr_dataset", "cirr", "clip4cir"),
        ("clip4cir2/cirr_dataset", "cirr", "clip4cir2/cirr_dataset"),
        ("texts/cirr_dataset", "cirr", "texts/cirr_dataset/cirr"),
        ("pic2word/data/CIRR", ".", "pic2word/data"),
        ("plain", ".", "plain"),
    ]:
        cirr(tmp_path / root, texts)
        (val,) = load(tmp_path / given, "val")
        assert not val.missing, root
        assert len(val.usable) == 2


def test_pictures_may_have_another_ending_and_lie_in_sub_folders(tmp_path):
    root = cirr(tmp_path, extension="jpg")
    (root / "dev/dev-6-0-img0.jpg").unlink()
    write_images(root / "dev/34", "dev-6-0-img0.png")
    assert not load(root, "val")[0].missing


def test_missing_pictures_are_named_with_the_folder_they_belong_to(tmp_path):
    root = cirr(tmp_path)
    (root / "dev/dev-1-0-img0.png").unlink()
    (val,) = load(root, "val")
    assert val.missing == ("dev-1-0-img0",)
    assert [one.id for one in val.usable] == []  # the target of one, the reference of the other
    assert f"missing from {root / 'dev'}" in (val.missing_sentence() or "")


def test_a_test_split_has_sets_and_no_targets(tmp_path):
    row = {
        "pairid": 7,
        "reference": "test1-0",
        "caption": "is red",
        "img_set": {"id": 1, "members": ["test1-0", "test1-1"]},
    }
    write_json(tmp_path / "cirr/captions/cap.rc2.test1.json", [row])
    listed = {"test1-0": "./test1/test1-0.png", "test1-1": "./test1/test1-1.png"}
    write_json(tmp_path / "cirr/image_splits/split.rc2.test1.json", listed)
    (split,) = load(tmp_path, "test1")
    assert split.triplets[0].target is None
    assert split.triplets[0].subset == ("test1-0", "test1-1")
    assert splits_in(tmp_path) == ("test1",)


def test_added_triplets_have_several_captions_and_no_set(tmp_path):
    root = cirr(tmp_path)
    row = {
        "pairid": 0,
        "reference": "dev-0-0-img0",
        "target_hard": "dev-3-0-img0",
        "caption": ["a dog instead of a cat", "Unlike a cat, I want a dog"],
        "img_set": {"members": ["xxx"]},
    }
    write_json(root / "cirr/captions/cap.rc2.val.extend_clip.json", [row, row])
    (added,) = load(root, "val", extension="extend_clip")
    assert [one.id for one in added.triplets] == ["0", "1"]
    assert len(added.triplets[0].captions) == 2
    assert added.triplets[0].subset == ()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"pairid": 12064}, "the id 12064 comes twice: give each its own"),
        ({"target_hard": "dev-9-0-img0"}, "must be members of img_set"),
        ({"target_hard": "dev-0-0-img0"}, "reference and target are both dev-0-0-img0"),
        ({"img_set": 5}, '"img_set" must be an object, and is 5'),
        ({"img_set": {"members": 5}}, 'img_set: "members" must be a list'),
        ({"caption": None}, '"caption" must be a list'),
        ({"reference": ""}, '"reference" must be a name or a number'),
        (
            {"img_set": {"members": ["dev-0-0-img0", "dev-1-0-img0", "other"]}},
            "other, which triplet 12063 names, is not in the gallery of cirr/val",
        ),
    ],
)
def test_a_wrong_pair_is_told_with_its_file(tmp_path, changes, sentence):
    path = cirr(tmp_path) / "cirr/captions/cap.rc2.val.json"
    edit(path, **changes)
    with pytest.raises(InvalidInput, match=sentence) as told:
        load(tmp_path, "val")
    assert str(path) in told.value.sentence


def test_a_damaged_list_of_images_is_told(tmp_path):
    path = cirr(tmp_path) / "cirr/image_splits/split.rc2.val.json"
    for content, sentence in [("[1]", "must hold an object of names"), ('{"a"', "is cut short")]:
        path.write_text(content)
        with pytest.raises(InvalidInput, match=sentence):
            load(tmp_path, "val")
    path.unlink()
    with pytest.raises(InvalidInput, match=r"split\.rc2\.val\.json is not there"):
        load(tmp_path, "val")


def test_the_wrong_folder_and_an_unknown_split_are_told(tmp_path):
    with pytest.raises(InvalidInput, match=r"CIRR's val were not found in .*cap\.rc2\.val\.json"):
        load(tmp_path, "val")
    cirr(tmp_path / "a/b/cirr_dataset")
    with pytest.raises(InvalidInput, match=rf"give {tmp_path}/a/b/cirr_dataset/cirr instead"):
        load(tmp_path, "val")


def test_texts_beside_the_pictures_are_taken_for_no_other_dataset(tmp_path):
    """`cap.rc2.train.json` looks like FashionIQ's file of a category rc2."""
    cirr(tmp_path, texts=".")
    assert open_dataset(tmp_path).kind.name == "cirr"
