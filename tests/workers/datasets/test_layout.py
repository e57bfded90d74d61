from __future__ import annotations

import pytest

from backend.errors import InvalidInput
from tests.workers.datasets.samples import write_json
from workers.datasets.layout import first_file, first_folder, not_there, roots

CHOICES = ["captions/cap.json", "json/cap.json"]


def test_roots_are_the_folder_and_those_inside_of_a_known_name(tmp_path):
    for name in ("CIRR", "other", "cirr_dataset"):
        (tmp_path / name).mkdir()
    (tmp_path / "cirr").write_text("a file")
    found = roots(tmp_path, "cirr", "cirr_dataset")
    assert found == [tmp_path, tmp_path / "CIRR", tmp_path / "cirr_dataset"]
    with pytest.raises(InvalidInput, match="is not a folder: give the one that holds the dataset"):
        roots(tmp_path / "cirr")


def test_the_first_choice_of_the_first_folder_is_taken(tmp_path):
    write_json(tmp_path / "b/captions/cap.json", [])
    second = write_json(tmp_path / "a/json/cap.json", [])
    assert first_file([tmp_path / "a", tmp_path / "b"], CHOICES) == second
    assert first_file([tmp_path], CHOICES) is None
    assert first_folder([tmp_path], ["c", "b"]) == tmp_path / "b"
    assert first_folder([tmp_path], ["c"]) is None


def test_what_is_nowhere_is_to_be_downloaded(tmp_path):
    assert not_there(tmp_path, "The captions were", CHOICES).sentence == (
        f"The captions were not found in {tmp_path}: expected there is captions/cap.json or "
        "json/cap.json: download it there, or give the folder that holds it."
    )


@pytest.mark.parametrize(
    ("place", "remedy"),
    [
        ("x/y/captions/cap.json", "it lies in {0}/x/y/captions: give {0}/x/y instead."),
        ("texts/cap.json", "it lies in {0}/texts: move {0}/texts/cap.json there."),
        ("cap.json", "it lies in {0}: move {0}/cap.json there."),
    ],
)
def test_what_lies_elsewhere_is_told_with_what_to_do(tmp_path, place, remedy):
    write_json(tmp_path / place, [])
    told = not_there(tmp_path, "The captions were", CHOICES).sentence
    assert told.endswith(remedy.format(tmp_path))
