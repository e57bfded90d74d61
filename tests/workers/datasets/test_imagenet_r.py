from __future__ import annotations

from pathlib import Path

import pytest

from backend.errors import InvalidInput
from tests.workers.datasets.samples import write_images
from workers.datasets.imagenet_r import DOMAINS, load, splits_in

QUERIES = ["imgnet/real/n01/a.JPEG 2 ", "imgnet/real/n01/b.JPEG 2 ", "imgnet/real/n02/c.JPEG 7 "]
TARGETS = [
    "imgnet/imagenet-r/n01/cartoon_0.jpg 2 ",
    "imgnet/imagenet-r/n01/cartoon_1.jpg 2 ",
    "imgnet/imagenet-r/n01/toy_0.jpg 2002 ",
    "imgnet/imagenet-r/n02/sculpture_0.jpg 3007 ",
    "imgnet/real/n01/a.JPEG 6002 ",
]


def write_lists(folder: Path, queries: list[str], targets: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "imgnet_real_query.txt").write_text("\n".join(queries) + "\n")
    (folder / "imgnet_targets.txt").write_text("\n".join(targets) + "\n")
    return folder


@pytest.fixture
def imgnet(tmp_path: Path) -> Path:
    for line in (*QUERIES, *TARGETS):
        write_images(tmp_path, line.split()[0])
    write_lists(tmp_path / "imgnet", QUERIES, TARGETS)
    return tmp_path


def test_each_domain_is_asked_for_with_every_photo(imgnet):
    loaded = load(imgnet)
    assert [one.name for one in loaded] == [f"imagenet_r/{domain}" for domain in DOMAINS]
    assert splits_in(imgnet) == DOMAINS
    for domain, one in zip(DOMAINS, loaded, strict=True):
        assert [triplet.captions for triplet in one.triplets] == [(domain,)] * 3
        assert one.gallery == tuple(line.split()[0].removeprefix("imgnet/") for line in TARGETS)
        assert not one.missing


def test_the_pictures_of_the_class_in_the_domain_are_the_positives(imgnet):
    cartoon, origami, toy, sculpture = load(imgnet)
    pictures = ("imagenet-r/n01/cartoon_0.jpg", "imagenet-r/n01/cartoon_1.jpg")
    assert [one.positives for one in cartoon.triplets] == [pictures, pictures, ()]
    assert [one.positives for one in origami.triplets] == [(), (), ()]
    assert toy.triplets[0].target == "imagenet-r/n01/toy_0.jpg"
    assert sculpture.triplets[2].positives == ("imagenet-r/n02/sculpture_0.jpg",)
    assert [one.category for one in toy.triplets] == ["2", "2", "7"]


def test_a_query_without_an_answer_is_asked_all_the_same(imgnet):
    assert len(load(imgnet, "origami")[0].usable) == 3


def test_photos_among_the_targets_are_distractors(imgnet):
    (toy,) = load(imgnet, "toy")
    assert "real/n01/a.JPEG" in toy.rows  # a reference, too
    assert all("real/n01/a.JPEG" not in one.positives for one in toy.triplets)


def test_the_folder_itself_will_do_as_well(imgnet):
    assert not load(imgnet / "imgnet", "toy")[0].missing


def test_missing_pictures_are_named_by_their_place_in_the_lists(imgnet):
    (imgnet / "imgnet/imagenet-r/n01/toy_0.jpg").unlink()
    (toy,) = load(imgnet, "toy")
    assert toy.missing == ("imagenet-r/n01/toy_0.jpg",)
    assert len(toy.usable) == 1


def test_a_picture_listed_twice_with_one_label_counts_once(tmp_path):
    write_lists(tmp_path, QUERIES, [*TARGETS, TARGETS[0]])
    assert len(load(tmp_path, "toy")[0].gallery) == len(TARGETS)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("imgnet/real/n01/a.JPEG", "line 6: it must be a path and a label"),
        ("imgnet/real/n01/a.JPEG two", "line 6: it must be a path and a label"),
        ("imgnet/real/n01/a.JPEG ²", "line 6: it must be a path and a label"),
        (" 5", "line 6: it must be a path and a label"),
        ("imgnet/real/n01/a.JPEG 5", r"line 6: real/n01/a\.JPEG has two labels"),
    ],
)
def test_a_wrong_line_is_told(tmp_path, line, sentence):
    write_lists(tmp_path, QUERIES, [*TARGETS, line])
    with pytest.raises(InvalidInput, match=sentence) as told:
        load(tmp_path)
    assert "imgnet_targets.txt" in told.value.sentence


def test_a_list_that_is_empty_or_not_there_is_told(tmp_path):
    with pytest.raises(InvalidInput, match=r"queries was not found .*imgnet_real_query\.txt"):
        load(tmp_path)
    write_lists(tmp_path, QUERIES, [])
    with pytest.raises(InvalidInput, match=r"imgnet_targets\.txt is empty"):
        load(tmp_path)
    (tmp_path / "imgnet_targets.txt").unlink()
    with pytest.raises(InvalidInput, match=r"targets was not found .*imgnet_targets\.txt"):
        load(tmp_path)
    with pytest.raises(InvalidInput, match="ImageNet-R has no domain val: choose one of cartoon"):
        load(tmp_path, "val")


def test_no_line_reaches_out_of_the_folder(imgnet):
    write_images(imgnet, "secret.png")
    write_lists(imgnet / "imgnet", [*QUERIES, "imgnet/../secret.png 5"], TARGETS)
    assert load(imgnet, "toy")[0].missing == ("../secret.png",)
