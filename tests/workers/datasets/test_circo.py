from __future__ import annotations

import json

import pytest

from backend.errors import InvalidInput
from tests.workers.datasets.samples import circo, write_json
from workers.datasets.circo import ASPECTS, load, splits_in

INFO = "COCO2017_unlabeled/annotations/image_info_unlabeled2017.json"


def test_a_query_has_several_ground_truths_the_target_first(tmp_path):
    (val,) = load(circo(tmp_path), "val")
    one = val.triplets[0]
    assert (one.id, one.reference, one.target) == ("0", "000000000011", "000000000012")
    assert one.positives == one.answers == ("000000000012", "000000000013")
    assert one.captions == ("is at night",)  # the shared concept is not asked by
    assert one.aspects == ("addition", "viewpoint")
    assert set(one.aspects) <= set(ASPECTS)
    assert len(ASPECTS) == 9


def test_the_gallery_is_the_list_of_unlabelled_photos_in_its_order(tmp_path):
    (val,) = load(circo(tmp_path), "val")
    assert [int(name) for name in val.gallery] == [15, 11, 12, 13, 14]  # as submissions need them
    assert not val.missing


@pytest.mark.parametrize("photos", ["COCO2017_unlabeled", ".", "coco"])
def test_the_photos_may_lie_in_the_folder_itself(tmp_path, photos):
    assert not load(circo(tmp_path, photos), "val")[0].missing


def test_the_folder_above_will_do_as_well(tmp_path):
    circo(tmp_path / "CIRCO")
    assert splits_in(tmp_path) == ("val",)
    assert not load(tmp_path, "val")[0].missing


def test_a_test_split_has_no_targets(tmp_path):
    row = {"reference_img_id": 11, "relative_caption": "is red", "shared_concept": "x", "id": 0}
    write_json(circo(tmp_path) / "annotations/test.json", [row])
    (only,) = load(tmp_path, "test")[0].triplets
    assert (only.target, only.positives, only.aspects) == (None, (), ())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"gt_img_ids": [13, 12]}, "the target must be the first of gt_img_ids"),
        ({"gt_img_ids": []}, "the target must be the first of gt_img_ids"),
        ({"gt_img_ids": [12, 11]}, "must be different images, and not the reference"),
        ({"gt_img_ids": [12, 12]}, "must be different images, and not the reference"),
        ({"gt_img_ids": [12, 99]}, "000000000099, which triplet 0 names, is not in the gallery"),
        ({"relative_caption": 5}, '"relative_caption" must be a text'),
        ({"id": 1}, "the id 1 comes twice"),
    ],
)
def test_a_wrong_query_is_told_with_its_file(tmp_path, changes, sentence):
    path = circo(tmp_path) / "annotations/val.json"
    rows = json.loads(path.read_text())
    rows[0] |= changes
    path.write_text(json.dumps(rows))
    with pytest.raises(InvalidInput, match=sentence) as told:
        load(tmp_path, "val")
    assert str(path) in told.value.sentence


def test_without_the_list_of_photos_it_is_told_where_that_belongs(tmp_path):
    (circo(tmp_path) / INFO).unlink()
    with pytest.raises(InvalidInput, match=rf"list of images was not found .*expected .*{INFO} or"):
        load(tmp_path, "val")


def test_a_list_of_photos_that_is_none_is_told(tmp_path):
    write_json(circo(tmp_path) / INFO, [1])
    with pytest.raises(InvalidInput, match="must hold an object with images"):
        load(tmp_path, "val")
    write_json(tmp_path / INFO, {"images": [{"id": None}]})
    with pytest.raises(InvalidInput, match=r'images, row 0: "id" must be a name or a number'):
        load(tmp_path, "val")


def test_the_wrong_folder_is_told(tmp_path):
    with pytest.raises(InvalidInput, match=r"CIRCO's val were not found.*annotations/val\.json"):
        load(tmp_path, "val")
