from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backend.errors import InvalidInput, TooLarge
from tests.workers.datasets.samples import write_json
from workers.datasets.annotations import (
    Row,
    read_json,
    read_json_lines,
    read_lines,
    read_names,
    read_rows,
    read_table,
)


def row(**values: Any) -> Row:
    return Row("cap.json, row 3", values)


def test_a_row_gives_what_it_holds():
    one = row(a="x", n=7, list=["y", ""], numbers=[1, 2.5], inner={"z": "w"})
    assert (one.text("a"), one.name("a"), one.name("n")) == ("x", "x", "7")
    assert one.texts("list") == ("y", "")
    assert one.texts("a") == ("x",)
    assert one.numbers("numbers", 2) == (1.0, 2.5)
    assert one.number("n") == 7.0
    assert one.inner("inner").text("z") == "w"


@pytest.mark.parametrize(
    ("read", "sentence"),
    [
        (lambda: row().text("a"), '"a" must be a text, and is not there'),
        (lambda: row(a=5).text("a"), '"a" must be a text, and is 5'),
        (lambda: row(a="\ud800").text("a"), '"a" must be text without half characters'),
        (lambda: row(a="").name("a"), '"a" must be a name or a number'),
        (lambda: row(a=True).name("a"), '"a" must be a name or a number'),
        (lambda: row(a=1.5).name("a"), '"a" must be a name or a number'),
        (lambda: row(a=[]).texts("a"), "a list of texts, and not an empty one"),
        (lambda: row(a=["x", 5]).texts("a"), '"a" must be a text, and is 5'),
        (lambda: row(a={}).items("a"), '"a" must be a list'),
        (lambda: row(a=[]).inner("a"), '"a" must be an object'),
        (lambda: row(a=[1, 2]).numbers("a", 4), '"a" must be 4 numbers'),
        (lambda: row(a=[1, "2"]).numbers("a"), '"a" must be a list of numbers'),
        (lambda: row(a=[float("nan")]).numbers("a"), '"a" must be a list of numbers'),
        (lambda: row(a=[10**400]).numbers("a"), '"a" must be a list of numbers'),
        (lambda: row(a="x" * 999).inner("a"), r"'x{56}\.\.\.: correct it"),
    ],
)
def test_what_is_of_another_type_is_told_with_file_and_row(read, sentence):
    with pytest.raises(InvalidInput, match=sentence) as told:
        read()
    assert told.value.sentence.startswith("cap.json, row 3")
    assert len(told.value.sentence) < 200


def test_truncated_json_is_told_with_its_place(tmp_path):
    path = tmp_path / "cap.json"
    path.write_text('[\n {"target": "a", "captio')
    with pytest.raises(InvalidInput, match=r"cap\.json is cut short or damaged at line 2, col"):
        read_json(path)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "cut short or damaged at line 1"),
        (b'["\xff"]', "byte 2: it is not UTF-8"),
        (b"[" * 100_000, "is no annotation file"),
        (b"1" * 10_000, "is no annotation file"),
    ],
)
def test_what_is_no_json_is_told(tmp_path, data, sentence):
    (tmp_path / "cap.json").write_bytes(data)
    with pytest.raises(InvalidInput, match=sentence):
        read_json(tmp_path / "cap.json")


def test_a_byte_order_mark_is_passed_over(tmp_path):
    (tmp_path / "cap.json").write_bytes(b"\xef\xbb\xbf[1]")
    assert read_json(tmp_path / "cap.json") == [1]


def test_a_file_over_the_limit_is_not_parsed(tmp_path):
    write_json(tmp_path / "cap.json", ["x" * 100])
    with pytest.raises(TooLarge, match="over 50 bytes"):
        read_json(tmp_path / "cap.json", most=50)


def test_a_folder_a_device_and_nothing_are_no_files(tmp_path):
    for path in (tmp_path, tmp_path / "gone.json", Path("/dev/zero")):
        with pytest.raises(InvalidInput, match="is not there, or no file"):
            read_json(path)


def test_rows_must_be_a_list_of_objects(tmp_path):
    with pytest.raises(InvalidInput, match="must hold a JSON list, and holds an object"):
        read_rows(write_json(tmp_path / "a.json", {"a": 1}))
    with pytest.raises(InvalidInput, match=r"a\.json, row 1: it must be a JSON object, and is a t"):
        read_rows(write_json(tmp_path / "a.json", [{}, "x"]))


def test_names_must_be_a_list_of_names(tmp_path):
    assert read_names(write_json(tmp_path / "a.json", ["a", 7])) == ["a", "7"]
    with pytest.raises(InvalidInput, match="must hold a JSON list, and holds nothing"):
        read_names(write_json(tmp_path / "a.json", None))
    with pytest.raises(InvalidInput, match=r"row 1: .*must be a name or a number"):
        read_names(write_json(tmp_path / "a.json", ["a", []]))


def test_a_table_may_have_tabs_and_quotes(tmp_path):
    (tmp_path / "a.csv").write_text('id\ttext\n1\t"a, ""b"""\n', encoding="utf-8")
    (only,) = read_table(tmp_path / "a.csv")
    assert (only.text("id"), only.text("text")) == ("1", 'a, "b"')


def test_a_table_that_is_none_is_told(tmp_path):
    (tmp_path / "a.csv").write_text("id\n" + "x" * 200_000)
    with pytest.raises(InvalidInput, match=r"is no CSV file \(field larger"):
        read_table(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_bytes(b"id\n\xff")
    with pytest.raises(InvalidInput, match="byte 3: it is not UTF-8"):
        read_table(tmp_path / "a.csv")


def test_lines_are_bounded_and_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\r\n\ntwo")
    assert list(read_lines(path)) == ["one", "", "two"]
    path.write_bytes(b"one\n\xff\n")
    with pytest.raises(InvalidInput, match="line 2: it is not UTF-8"):
        list(read_lines(path))
    path.write_bytes(b"one\n" + b"x" * 1_000_001)
    with pytest.raises(InvalidInput, match="line 2: over 1,000,000 bytes"):
        list(read_lines(path))
    with pytest.raises(InvalidInput, match="is not there, or no file"):
        list(read_lines(tmp_path))


def test_json_lines_are_objects(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": "x"}\n\n{"a": "y"}\n')
    assert [one.text("a") for one in read_json_lines(path)] == ["x", "y"]
    path.write_text('{"a": "x"}\n[1]\n')
    with pytest.raises(InvalidInput, match=r"a\.jsonl, line 2: it is not a JSON object"):
        list(read_json_lines(path))
