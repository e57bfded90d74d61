from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.errors import InvalidInput
from tests.workers.datasets.samples import write_images, write_json
from workers.datasets.coco import load, splits_in
from workers.datasets.regions import cut

KINDS = {1: "person", 2: "dog", 3: "frisbee"}


def thing(
    number: int, photo: int, kind: int, box: tuple[float, ...], **more: Any
) -> dict[str, Any]:
    x, y, w, h = box
    corners = [x, y, x + w, y, x + w, y + h, x, y + h]
    told = {"id": number, "image_id": photo, "category_id": kind, "bbox": list(box), "iscrowd": 0}
    return told | {"segmentation": [corners]} | more


def instances(*things: dict[str, Any], photos: int = 3) -> dict[str, Any]:
    images = [
        {"id": n, "file_name": f"{n:012}.jpg", "width": 100, "height": 50}
        for n in reversed(range(1, photos + 1))
    ]
    kinds = [{"id": n, "name": name} for n, name in KINDS.items()]
    return {"images": images, "annotations": list(things), "categories": kinds}


THINGS = (
    thing(10, 1, 2, (10, 10, 20, 20)),  # 8 % of 5,000 pixels
    thing(11, 1, 3, (0, 0, 10, 10)),  # 2 %
    thing(12, 1, 1, (0, 0, 80, 40)),  # 64 %
    thing(20, 2, 3, (0, 0, 2, 2)),  # 0.08 %
    thing(30, 3, 1, (0, 0, 50, 20), iscrowd=1, segmentation={"counts": [5, 5], "size": [50, 100]}),
)


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    write_json(tmp_path / "annotations/instances_val2017.json", instances(*THINGS))
    write_images(tmp_path / "val2017", *(f"{n:012}.jpg" for n in (1, 2, 3)), size=(100, 50))
    return tmp_path


def test_a_query_is_one_object_and_the_names_of_all_that_is_in_the_photo(coco):
    (split,) = load(coco)
    (one,) = split.triplets
    assert (one.reference, one.target) == ("000000000001@10", "000000000001")
    assert one.captions == ("dog and frisbee and person",)
    assert one.category == "dog"
    assert split.gallery == ("000000000001",)
    assert splits_in(coco) == ("val",)
    assert not split.missing


def test_an_object_covers_between_a_twentieth_and_half_of_its_photo(coco):
    assert len(load(coco)[0].triplets) == 1
    published = load(coco, protocol="published")[0]  # 0.05 pixels for 5 %
    assert [one.target for one in published.triplets] == ["000000000001", "000000000002"]
    drawn = {
        load(coco, protocol="published", seed=seed)[0].triplets[0].reference for seed in range(20)
    }
    assert drawn == {"000000000001@10", "000000000001@11"}  # never the one of 64 %


def test_crowds_are_named_but_never_asked_with(coco):
    path = coco / "annotations/instances_val2017.json"
    write_json(path, instances(*THINGS, thing(31, 3, 2, (0, 0, 30, 30))))
    second = load(coco)[0].triplets[1]
    assert (second.reference, second.captions) == ("000000000003@31", ("dog and person",))


def test_the_draw_depends_on_seed_and_photo_alone(coco):
    photos = [thing(100 * n + k, n, 1 + k, (k, k, 20, 20)) for n in range(1, 101) for k in range(3)]
    path = coco / "annotations/instances_val2017.json"
    write_json(path, instances(*photos, photos=100))
    drawn = {one.target: one.reference for one in load(coco)[0].triplets}
    again = {one.target: one.reference for one in load(coco)[0].triplets}
    assert drawn == again
    assert drawn != {one.target: one.reference for one in load(coco, seed=1)[0].triplets}
    write_json(path, instances(*photos[:150], photos=50))
    fewer = {one.target: one.reference for one in load(coco)[0].triplets}
    assert fewer == {target: drawn[target] for target in fewer}
    assert all(count > 15 for count in Counter(r[-1] for r in drawn.values()).values())


def test_the_reference_is_cut_out_along_its_outline_and_stretched(coco):
    triangle = [[10, 10, 30, 10, 10, 30]]
    things = [thing(10, 1, 2, (10, 10, 20, 20), segmentation=triangle)]
    write_json(coco / "annotations/instances_val2017.json", instances(*things))
    (split,) = load(coco)
    region = split.regions["000000000001@10"]
    assert list(region.box) == [10, 10, 30, 30]
    with Image.open(split.images["000000000001@10"]) as photo:
        pixels = np.asarray(cut(photo, region, 16))
    assert pixels.shape == (16, 16, 3)
    assert (pixels[15, 15] == 255).all()  # outside the outline
    assert pixels[1, 1, 0] < 50


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"bbox": [1, 2]}, '"bbox" must be 4 numbers'),
        ({"category_id": 9}, '"category_id" must be one of the categories, and is 9'),
        ({"segmentation": [[1, 2, 3]]}, "polygons of at least three corners"),
        ({"segmentation": [["a"] * 6]}, '"segmentation" must be a list of numbers'),
        ({"segmentation": {"counts": "x"}}, '"segmentation" must be a list'),
    ],
)
def test_a_wrong_object_is_told_with_its_file(coco, changes, sentence):
    path = coco / "annotations/instances_val2017.json"
    write_json(path, instances(THINGS[0] | changes))
    with pytest.raises(InvalidInput, match=sentence) as told:
        load(coco)
    assert told.value.sentence.startswith(f"{path}, annotations, row 0")


def test_annotations_that_are_none_are_told(coco):
    path = coco / "annotations/instances_val2017.json"
    for content, sentence in [
        ("[]", "must hold a JSON object"),
        ("{}", "images must hold a JSON list"),
    ]:
        path.write_text(content)
        with pytest.raises(InvalidInput, match=sentence):
            load(coco)


@pytest.fixture
def prepared(coco: Path) -> Path:
    """As Pic2Word's preparation leaves it."""
    with (coco / "coco_eval.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "query_regions", "query_class", "classes"])
        writer.writerow(["000000000002.jpg", "1.5;2.0;21.5;12.0 ", "dog", "person;frisbee"])
        writer.writerow(["000000000003.jpg", "0.0;0.0;10.0;10.0 ", "person", ""])
    write_images(coco / "val2017_masked", "000000000002.jpg", size=(100, 50))
    return coco


def test_a_prepared_list_is_taken_as_it_is_under_the_published_protocol(prepared):
    (split,) = load(prepared, protocol="published")
    first, second = split.triplets
    assert first.captions == ("dog and person and frisbee",)
    assert second.captions == ("person",)
    assert split.images[first.reference] == prepared / "val2017_masked/000000000002.jpg"
    assert split.regions[first.reference].box == (1.5, 2.0, 21.5, 12.0)
    assert split.missing == ("000000000003@masked",)
    assert load(prepared)[0].gallery == ("000000000001",)


def test_a_prepared_list_will_do_without_annotations(prepared):
    (prepared / "annotations/instances_val2017.json").unlink()
    assert len(load(prepared)[0].triplets) == 2


@pytest.mark.parametrize("corners", ["1;2;3", "nan;0;1;1", "0;inf;1;1", "0;0;1;1e400", "a;b;c;d"])
def test_a_wrong_corner_of_a_prepared_list_is_told(prepared, corners):
    path = prepared / "coco_eval.csv"
    path.write_text(f"id,query_regions,query_class,classes\n1.jpg,{corners},dog,\n")
    with pytest.raises(InvalidInput, match=r'row 0: "query_regions" must be four numbers x1;y1'):
        load(prepared, protocol="published")


def test_the_wrong_folder_and_an_unknown_split_are_told(tmp_path):
    with pytest.raises(InvalidInput, match=r"not found .*annotations/instances_val2017\.json or"):
        load(tmp_path)
    with pytest.raises(InvalidInput, match="has no split train: it is asked on val"):
        load(tmp_path, "train")
