from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backend.errors import InvalidInput
from tests.workers.datasets.samples import write_images, write_json
from workers.datasets.genecis import TASKS, dilated, load, splits_in


def thing(photo: int, *box: float) -> dict[str, Any]:
    return {"image_id": photo, "instance_bbox": list(box)}


def attribute_query(**changes: Any) -> dict[str, Any]:
    query = {
        "reference": thing(1, 10, 20, 30, 40),
        "target": thing(1, 50, 20, 10, 10),
        "gallery": [thing(2, 0, 0, 5, 5), thing(3, 0.5, 0, 5, 5)],
        "condition": "color",
    }
    return query | changes


def object_query() -> dict[str, Any]:
    return {
        "reference": {"val_image_id": 139},
        "target": {"val_image_id": 285},
        "gallery": [{"val_image_id": 632}],
        "condition": "dog",
    }


@pytest.fixture
def genecis(tmp_path: Path) -> Path:
    for task in TASKS:
        query = attribute_query() if task.endswith("attribute") else object_query()
        write_json(tmp_path / f"genecis/{task}.json", [query, query])
    write_images(tmp_path / "VG_100K", "1.jpg", size=(100, 80))
    write_images(tmp_path / "VG_100K_2", "2.jpg")
    write_images(tmp_path / "val2017", *(f"{n:012}.jpg" for n in (139, 285, 632)))
    return tmp_path


def test_each_task_is_a_split_and_each_query_has_its_own_gallery(genecis):
    loaded = load(genecis)
    assert [one.name for one in loaded] == [f"genecis/{task}" for task in TASKS]
    assert splits_in(genecis) == TASKS
    query = loaded[0].triplets[0]
    assert query.captions == ("color",)
    assert query.reference == "1@10,20,30,40"
    assert query.subset == ("1@50,20,10,10", "2@0,0,5,5", "3@0.5,0,5,5")
    assert query.target == query.subset[0]
    assert loaded[0].gallery == query.subset  # two queries ask of the same three


def test_objects_of_one_photo_are_images_of_their_own(genecis):
    (split,) = load(genecis, "change_attribute")
    assert split.images["1@10,20,30,40"] == split.images["1@50,20,10,10"]
    assert split.regions["1@10,20,30,40"].box != split.regions["1@50,20,10,10"].box
    assert {one.shape for one in split.regions.values()} == {"padded"}


def test_photos_that_are_missing_are_named_by_the_objects_in_them(genecis):
    (split,) = load(genecis, "focus_attribute")
    assert split.missing == ("3@0.5,0,5,5",)
    assert {place.name for place in split.places} == {"VG_100K", "VG_100K_2"}


def test_object_tasks_are_about_whole_photos_and_keep_their_condition(genecis):
    (split,) = load(genecis, "change_object")
    assert split.triplets[0].reference == "000000000139"
    assert split.triplets[0].captions == ("dog",)
    assert not split.regions
    assert not split.missing


def test_a_box_is_widened_evenly():
    assert dilated((100, 200, 10, 20)) == pytest.approx((96.5, 193, 113.5, 227))


def test_the_published_box_grows_to_the_left_and_above():
    assert dilated((100, 200, 10, 20), "published") == pytest.approx((93, 186, 110, 220))
    # At the edge its margin goes to the other side: left and top are cut off before widening.
    assert dilated((2, 3, 10, 20), "published") == pytest.approx((0, 0, 17, 34))


def test_the_protocol_reaches_the_regions(genecis):
    boxes = {
        protocol: load(genecis, "change_attribute", protocol)[0].regions["1@50,20,10,10"].box
        for protocol in ("default", "published")
    }
    assert boxes["default"] == pytest.approx((46.5, 16.5, 63.5, 33.5))
    assert boxes["published"] == pytest.approx((43, 13, 60, 30))


def test_photos_of_visual_genome_may_lie_in_one_folder(genecis):
    write_images(genecis / "VG_100K_all", "1.jpg", "2.jpg", "3.jpg")
    assert not load(genecis, "change_attribute")[0].missing


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"condition": 0}, '"condition" must be a text, and is 0'),
        ({"gallery": None}, '"gallery" must be a list'),
        ({"gallery": [5]}, "gallery, row 0: it must be a JSON object"),
        ({"target": "285"}, '"target" must be an object'),
        ({"reference": {"image_id": 5}}, 'reference: "instance_bbox" must be a list'),
        ({"reference": thing(1, 2, 3)}, '"instance_bbox" must be 4 numbers'),
        ({"reference": {}}, '"image_id" must be a name or a number, and is not there'),
    ],
)
def test_a_wrong_query_is_told_with_its_file(genecis, changes, sentence):
    path = write_json(genecis / "genecis/change_attribute.json", [attribute_query(**changes)])
    with pytest.raises(InvalidInput, match=sentence) as told:
        load(genecis, "change_attribute")
    assert told.value.sentence.startswith(f"{path}, row 0")


def test_the_wrong_folder_and_an_unknown_task_are_told(tmp_path):
    with pytest.raises(InvalidInput, match=r"focus_attribute were not found .*genecis/focus_attr"):
        load(tmp_path)
    with pytest.raises(InvalidInput, match="GeneCIS has no task val: choose one of focus_attr"):
        load(tmp_path, "val")
