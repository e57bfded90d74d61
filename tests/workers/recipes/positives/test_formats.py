from __future__ import annotations

import json
from dataclasses import replace

import pytest

from backend.errors import InvalidInput
from workers.recipes.positives.formats import TripletFiles, read_accepted, read_pairs
from workers.recipes.positives.pairing import Pair

RED = Pair("a", "b", ("blue instead of red", "blue"), "red", "blue")
BLUE = Pair("b", "c", ("größer instead of blue", "größer"), "blue", "größer")


def written(out, *pairs):
    files = TripletFiles(out, "akin")
    with files.opened():
        for pair in pairs:
            files.write([pair])
    return files


def test_fashioniqs_format(tmp_path):
    path, _ = written(tmp_path, RED, BLUE).paths
    assert path == tmp_path / "captions" / "cap.extend_akin.train.json"
    assert json.loads(path.read_text(encoding="utf-8")) == [
        {
            "target": "b",
            "candidate": "a",
            "captions": ["blue instead of red", "blue"],
            "caption1": "red",
            "caption2": "blue",
        },
        {
            "target": "c",
            "candidate": "b",
            "captions": ["größer instead of blue", "größer"],
            "caption1": "blue",
            "caption2": "größer",
        },
    ]


def test_cirrs_format(tmp_path):
    _, path = written(tmp_path, RED).paths
    assert path == tmp_path / "captions" / "cap.rc2.train.extend_akin.json"
    assert json.loads(path.read_text(encoding="utf-8")) == [
        {
            "target_hard": "b",
            "reference": "a",
            "caption": ["blue instead of red", "blue"],
            "pairid": 0,
            "img_set": {"members": ["xxx"]},
            "caption1": "red",
            "caption2": "blue",
        }
    ]


def test_what_was_written_is_read_again(tmp_path):
    path, _ = written(tmp_path, RED, BLUE).paths
    assert read_pairs(path) == [RED, BLUE]


def test_no_pairs_make_an_empty_list(tmp_path):
    files = written(tmp_path)
    assert [json.loads(path.read_text()) for path in files.paths] == [[], []]


def test_what_breaks_off_leaves_the_files_of_before(tmp_path):
    before = [path.read_bytes() for path in written(tmp_path, RED).paths]
    files = TripletFiles(tmp_path, "akin")
    half = replace(BLUE, captions=None)  # type: ignore[arg-type]
    with pytest.raises(TypeError), files.opened():
        files.write([RED, half])
    assert [path.read_bytes() for path in files.paths] == before
    assert len(list((tmp_path / "captions").iterdir())) == 2


def test_only_accepted_pairs_are_read_back_each_once_and_in_their_order(tmp_path):
    other = Pair("c", "a", ("red",), "größer", "red")
    written(tmp_path, RED, BLUE, other)
    first, second = written(tmp_path / "1", other, RED), written(tmp_path / "2", RED)
    kept = read_accepted(tmp_path, "akin", [first.paths[0], second.paths[0]])
    assert kept == [RED, other]
    assert read_accepted(tmp_path, "akin", []) == []


def test_a_review_of_another_run_is_told(tmp_path):
    written(tmp_path, RED)
    export = written(tmp_path / "other", RED, BLUE).paths[0]
    with pytest.raises(InvalidInput, match=r"row 1: this triplet is not in .*: the review belongs"):
        read_accepted(tmp_path, "akin", [export])


def test_a_truncated_export_is_told(tmp_path):
    path = written(tmp_path, RED).paths[0]
    broken = tmp_path / "accepted.json"
    broken.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InvalidInput, match=r"accepted.json is cut short or damaged at line 2"):
        read_accepted(tmp_path, "akin", [broken])


def test_a_row_without_its_captions_is_told(tmp_path):
    path = tmp_path / "cap.json"
    path.write_text('[{"target": "a", "candidate": "b"}]')
    with pytest.raises(InvalidInput, match='row 0: "captions" must be'):
        read_pairs(path)
