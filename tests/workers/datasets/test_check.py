from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.errors import InvalidInput
from backend.findings import Findings
from tests.workers.datasets.samples import circo, cirr, fashioniq, write_images, write_json
from workers.datasets.check import check_dataset

REAL = Path(__file__).parents[4] / "shared/data/fashion-iq"


def look(folder: Path, kind: str | None = None, *, images: bool = False) -> Findings:
    return check_dataset(folder, kind, images, lambda *_: None)


@pytest.fixture
def dresses(tmp_path: Path) -> Path:
    """A FashionIQ of two categories with all of its pictures."""
    write_images(fashioniq(tmp_path) / "images", *(f"{n}.png" for n in ("d1", "d2", "both")))
    write_images(tmp_path / "images", "s1.jpg", "s2.jpg")
    return tmp_path


def test_what_is_whole_is_good_and_compared_with_what_was_published(dresses):
    findings = look(dresses)
    assert findings.good
    assert (findings.kind, findings.label) == ("fashioniq", "FashionIQ")
    dress = findings.splits[0]
    assert (dress.name, dress.triplets, dress.images, dress.found) == (
        "fashioniq/dress/val",
        2,
        3,
        3,
    )
    assert (dress.published_triplets, dress.published_images) == (2_017, 3_817)
    assert (
        "fashioniq/dress/val lists 2 triplets, and 2,017 are published: figures on it are not "
        "those of the papers."
    ) in findings.notes
    assert "The split train is not there." in findings.notes
    assert "The split val lacks toptee: the mean is over the others." in findings.notes
    assert "fashioniq/shirt/val: captions that are empty: 1." in findings.notes


@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/fashion-iq is not there")
def test_the_published_captions_differ_in_nothing_but_lack_their_pictures():
    findings = look(REAL)
    assert len(findings.splits) == 9
    assert not any("published" in note for note in findings.notes)
    assert len(findings.problems) == 9
    assert all("none of its" in problem for problem in findings.problems)


def test_missing_pictures_are_a_problem_that_names_them(dresses):
    (dresses / "images/d2.png").unlink()
    findings = look(dresses)
    assert findings.splits[0].missing == ["d2"]
    assert len(findings.problems) == 1
    assert "1 of 3 images are missing" in findings.problems[0]


def test_pictures_in_the_wrong_folder_are_found(dresses):
    (dresses / "pictures").mkdir()
    for name in ("d1.png", "d2.png"):
        (dresses / "images" / name).rename(dresses / "pictures" / name)
    assert look(dresses).problems[-1] == (
        f"fashioniq/dress/val: 2 of the missing images lie in {dresses}/pictures: "
        f"move them to {dresses}/images."
    )


def test_one_damaged_split_does_not_hide_the_others(tmp_path):
    circo(tmp_path)
    write_json(tmp_path / "annotations/test.json", {"not": "a list"})
    findings = look(tmp_path)
    assert [one.name for one in findings.splits] == ["circo/val"]
    assert len(findings.problems) == 1
    assert "test.json must hold a JSON list" in findings.problems[0]


def test_every_picture_is_opened_when_asked_for(tmp_path):
    root = cirr(tmp_path)
    whole = (root / "dev/dev-0-0-img0.png").read_bytes()
    (root / "dev/dev-0-0-img0.png").write_bytes(whole[:-30])
    (root / "dev/dev-1-0-img0.png").write_bytes(b"")
    assert look(root).good
    told: list[tuple[str, int, int]] = []
    findings = check_dataset(root, None, True, lambda *step: told.append(step))
    assert findings.opened == 7
    assert told[-1] == ("Opening pictures", 7, 7)
    damaged, empty = findings.problems
    assert "dev-0-0-img0.png is damaged or cut short" in damaged
    assert "There is nothing in" in empty


def test_of_very_many_unreadable_pictures_some_are_told(tmp_path):
    for number in range(30):
        (tmp_path / f"{number:02}.png").write_bytes(b"no picture")
    findings = look(tmp_path, images=True)
    assert len(findings.problems) == 21
    assert findings.problems[-1] == "10 more pictures cannot be read."


def test_the_kind_can_be_named_and_what_it_expects_is_told(tmp_path):
    write_images(tmp_path, "a.png")
    findings = look(tmp_path, "cirr")
    assert not findings.good
    assert "expected there is captions/cap.rc2.train.json" in findings.problems[0]
    with pytest.raises(InvalidInput, match="No dataset is called cir"):
        look(tmp_path, "cir")


def test_triplets_between_splits_of_a_catalogue_are_counted(tmp_path):
    lines = [{"sku": n, "images": [f"images/{n}.png"], "split": n} for n in ("train", "val")]
    (tmp_path / "products.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "triplets.jsonl").write_text(
        json.dumps({"reference": "train", "target": "val", "captions": "in red"})
    )
    write_images(tmp_path / "images", "train.png", "val.png")
    findings = look(tmp_path)
    assert findings.notes == [
        "1 triplets are between products of different splits, and so in none."
    ]


def test_a_damaged_catalogue_is_one_sentence(tmp_path):
    (tmp_path / "products.jsonl").write_text("{")
    (problem,) = look(tmp_path).problems
    assert "products.jsonl, line 1: it is not valid JSON" in problem


def test_captions_are_counted_and_their_pictures_looked_for(tmp_path):
    write_images(tmp_path, "1.jpg")
    path = tmp_path / "list.csv"
    path.write_text("filepath\ttitle\n1.jpg\ta dog\n2.jpg\t\n")
    for given in (path, tmp_path):  # a list beside pictures tells of them
        findings = look(given)
        assert (findings.kind, findings.captions) == ("captions", 2)
        assert findings.notes == ["1 of 2 captions looked at are empty."]
        assert findings.problems == [
            f"1 of 2 pictures looked for are not there, the first is {tmp_path}/2.jpg: bring them, "
            "or correct the list."
        ]
    opened = look(path, images=True)
    assert opened.opened == 2
    assert "2.jpg is not a file" in opened.problems[-1]


def test_a_text_beside_pictures_is_not_taken_for_captions(tmp_path):
    (tmp_path / "licence.txt").write_text("Free for any use.")
    assert look(tmp_path).kind == "captions"
    write_images(tmp_path, "1.jpg")
    assert look(tmp_path).kind == "images"
    assert look(tmp_path, "captions").captions == 1
