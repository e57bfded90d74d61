from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.errors import InvalidInput
from workers.captioning.captions import MAX_CAPTION, CaptionFile, Captions, tidy, write_captions
from workers.captioning.prompts import prompt


def quiet(stage, done, total):
    pass


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("  A red\n dress. ", "A red dress"),
        ('"A red dress."', "A red dress"),
        ("“‘red’”", "red"),
        ('"red" and "blue"', 'red" and "blue'),
        ("\x1b[31mred\x00", "[31mred"),
        ("size 5.", "size 5"),
        ('"', '"'),
        (" . ", ""),
        ("", ""),
    ],
)
def test_a_sentence_is_tidied(said, kept):
    assert tidy(said) == kept


def test_what_rambles_on_is_cut():
    assert len(tidy("word " * 10_000)) <= MAX_CAPTION


def test_the_published_prompts():
    assert prompt("dress", 4) == "please briefly describe the dress in 4 words"
    assert prompt(None, 10) == "please briefly describe the image in 10 words"


def test_captions_of_a_file_are_those_written_and_the_others_are_named(tmp_path):
    path = tmp_path / "captions.json"
    pictures = {"a": Path("a.jpg"), "b": Path("b.jpg"), "c": Path("c.jpg")}
    write_captions(path, Captions({"a": "größer", "b": "red"}), pictures)
    assert json.loads(path.read_text(encoding="utf-8"))[0] == {
        "image_id": "a",
        "image_path": "a.jpg",
        "caption": "größer",
    }
    found = CaptionFile(path).caption(pictures, {}, quiet, lambda: False)
    assert found.texts == {"a": "größer", "b": "red"}
    assert found.failed == {"c": f"it has no caption in {path}"}


@pytest.mark.parametrize("text", ['[{"image_id": "a"}]', '{"a": "red"}', "[", "[3]"])
def test_a_file_of_something_else_is_told(tmp_path, text):
    path = tmp_path / "captions.json"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=r"captions\.json"):
        CaptionFile(path)
