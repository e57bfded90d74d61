from __future__ import annotations

import csv
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.errors import InvalidInput
from tests.workers.datasets.samples import write_images
from workers.datasets.caption_records import Captioned
from workers.datasets.captions import open_captions
from workers.datasets.wardrobe.dataset import write_dataset

CAPTIONS = ["a dog", "ein Kleid – rot", 'he said "no"', "袖, and, commas", "x\u2028y"]


def write_text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8", newline="")
    return path


def write_tar(path: Path, *members: tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def captions_of(path: Path, column: str | None = None) -> list[str]:
    return [one.caption for one in open_captions(path, column)]


def test_text_has_a_caption_a_line_and_blank_lines_are_none(tmp_path):
    path = write_text(tmp_path / "a.txt", "\ufeff" + "\r\n \n".join(CAPTIONS) + "\n\n")
    assert captions_of(path) == CAPTIONS


@pytest.mark.parametrize("column", ["caption", "Title", "TEXT"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_the_caption_column_of_a_table_is_guessed(tmp_path, column, ending):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=ending)
    writer.writerows([["id", column], *([n, one] for n, one in enumerate(CAPTIONS))])
    assert captions_of(write_text(tmp_path / "a.csv", out.getvalue())) == CAPTIONS


def test_a_quoted_caption_may_span_lines(tmp_path):
    path = write_text(tmp_path / "a.csv", 'caption,n\n"two\nlines, ""so""",1\n\nplain,2\n')
    corpus = open_captions(path)
    assert [one.caption for one in corpus] == ['two\nlines, "so"', "plain"]


def test_conceptual_captions_as_pic2word_lists_them(tmp_path):
    """Tab-separated, `filepath` and `title`, with paths from where the code was started."""
    write_images(tmp_path / "cc_data/train", "1.jpg", "2.jpg")
    write_images(tmp_path / "cc", "3.jpg")
    rows = [f"cc_data/train/{n}.jpg\ta title, {n}" for n in (1, 2)]
    path = write_text(
        tmp_path / "cc/Train.csv", "\n".join(["filepath\ttitle", *rows, "3.jpg\tx", "4.jpg\ty"])
    )
    corpus = open_captions(path)
    assert corpus[1] == Captioned("a title, 2", tmp_path / "cc_data/train/2.jpg")
    assert corpus[2].picture == tmp_path / "cc/3.jpg"
    assert corpus[3].picture == tmp_path / "cc/4.jpg"  # not there: whoever opens it is told


def test_json_lines_are_read_by_their_keys(tmp_path):
    lines = [{"text": one, "n": 1} for one in CAPTIONS] + [{"n": 2, "text": None}]
    path = write_text(tmp_path / "a.jsonl", "\n\n".join(map(json.dumps, lines)))
    assert captions_of(path) == [*CAPTIONS, ""]


def test_an_exported_catalogue_is_a_corpus_of_titles_and_pictures(tmp_path):
    lines = [
        {"akin_attributes": []},
        {"sku": "a", "title": "a red dress", "images": ["images/x.png"]},
        {"sku": "b", "title": None, "images": []},
    ]
    path = write_text(tmp_path / "products.jsonl", "\n".join(map(json.dumps, lines)))
    corpus = open_captions(path)
    assert list(corpus) == [Captioned("a red dress", tmp_path / "images/x.png"), Captioned("")]


def test_a_wardrobe_is_a_corpus_of_titles_and_pictures(tmp_path):
    write_dataset(tmp_path / "shop", 18, size=32)
    corpus = open_captions(tmp_path / "shop")
    assert len(corpus) == 18
    assert all(isinstance(one.picture, Path) and one.picture.is_file() for one in corpus)


def test_a_column_can_be_named(tmp_path):
    path = write_text(tmp_path / "a.csv", "caption,prompt\nx,y\n")
    assert captions_of(path, column="Prompt") == ["y"]
    with pytest.raises(InvalidInput, match="there is no column other, only caption, prompt: say"):
        open_captions(path, column="other")


def test_shards_join_members_by_their_name(tmp_path):
    path = write_tar(
        tmp_path / "00000.tar",
        ("0001.jpg", b"one"),
        ("0001.txt", "a dög\n".encode()),
        ("0001.json", b'{"caption": "not this"}'),
        ("sub/0002.caption", b"a cat"),
        ("0003.png", b"three"),
        ("0003.json", json.dumps({"url": "x", "caption": "a bird"}).encode()),
        ("0004.v2.mask.png", b"mask"),
        ("0004.txt", b"no picture"),
        ("0005.jpg", b"no caption"),
    )
    corpus = open_captions(path)
    assert list(corpus) == [
        Captioned("a dög", b"one"),
        Captioned("a cat"),
        Captioned("a bird", b"three"),
        Captioned("no picture"),
    ]
    assert corpus.uncaptioned == 1


def test_a_folder_joins_its_files_in_order(tmp_path):
    write_text(tmp_path / "b.txt", "three\nfour")
    write_text(tmp_path / "a/x.jsonl", '{"text": "one"}\n{"text": "two"}')
    write_tar(tmp_path / "c.tar", ("1.txt", b"five"))
    write_text(tmp_path / ".hidden/z.txt", "never")
    write_text(tmp_path / "stats.json", "{}")
    corpus = open_captions(tmp_path)
    assert [one.caption for one in corpus] == ["one", "two", "three", "four", "five"]
    assert [path.name for path in corpus.files] == ["x.jsonl", "b.txt", "c.tar"]
    assert corpus.captions([4, 0]) == ["five", "one"]
    assert [one.caption for one in corpus[1:4]] == ["two", "three", "four"]
    assert corpus[-1].caption == "five"
    for outside in (5, -6):
        with pytest.raises(IndexError):
            corpus[outside]


def test_places_are_kept_memory_mapped_until_the_file_changes(tmp_path):
    path = write_text(tmp_path / "a.txt", "one\ntwo\n")
    index = tmp_path / "index"
    first = open_captions(path, index=index)
    kept = next(index.glob("*.npy"))
    before = kept.stat().st_mtime_ns
    again = open_captions(path, index=index)
    assert isinstance(again._parts[0].places, np.memmap)
    assert kept.stat().st_mtime_ns == before  # it was not read again
    assert (list(again), again.digest) == (list(first), first.digest)
    write_text(path, "one\ntwo\nthree\n")
    assert captions_of(path) == [one.caption for one in open_captions(path, index=index)]


def test_damaged_places_are_made_anew(tmp_path):
    path = write_text(tmp_path / "a.txt", "one\ntwo\n")
    index = tmp_path / "index"
    open_captions(path, index=index)
    for damage in (b"", b"\x93NUMPY", os.urandom(500)):
        next(index.glob("*.npy")).write_bytes(damage)
        assert len(open_captions(path, index=index)) == 2
    for damage in (b"", b"[]", b'{"samples": 9}'):
        next(index.glob("*.json")).write_bytes(damage)
        assert len(open_captions(path, index=index)) == 2


def test_the_digest_is_that_of_the_captions(tmp_path):
    one = open_captions(write_text(tmp_path / "a.txt", "one\ntwo\n"))
    same = open_captions(write_text(tmp_path / "b.jsonl", '{"text":"one"}\n{"text":"two"}'))
    other = open_captions(write_text(tmp_path / "c.txt", "one two\n"))
    assert one.digest == same.digest != other.digest


def test_progress_is_told_in_bytes(tmp_path):
    write_text(tmp_path / "a.txt", "one\n")
    write_text(tmp_path / "b.txt", "two three\n")
    told: list[tuple[int, int]] = []
    open_captions(tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told == [(4, 14), (14, 14)]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.txt", b"one\n\xff\n", r"a\.txt, line 2: it is not UTF-8"),
        ("a.txt", b"x" * 1_000_001, r"a\.txt, line 1: over 1,000,000 bytes"),
        ("a.txt", b"\n\n", r"There are no captions in .*a\.txt: bring files that hold some"),
        ("a.csv", b"", r"a\.csv is empty: it needs the names of its columns"),
        (
            "a.csv",
            b"url,alt\n1,2\n",
            "no column caption or title or text, only url, alt: say which",
        ),
        ("a.csv", b"id,text\n1\n", r"a\.csv, line 2: it has 1 cells, and the header has 2"),
        ("a.csv", b"id,text\n1,a\n1,2,3\n", "line 3: it has 3 cells, and the header has 2"),
        ("a.csv", b'id,text\n1,"never\nends\n', "it is no CSV .unexpected end of data.: correct"),
        ("a.csv", b'text\n"' + b"x\n" * 99_999 + b'"', "it is no CSV .field larger"),
        ("a.csv", b"text\na\rb\n", "it is no CSV"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "b"', r"a\.jsonl, line 2: it is not valid JSON"),
        ("a.jsonl", b'{"text": 5}', 'line 1: "text" must be a text, and is 5'),
        ("a.jsonl", b'{"text": "\\ud800"}', "line 1: .*half characters"),
        ("a.jsonl", b"[1]", "line 1: it is not a JSON object"),
        ("a.jsonl", b"[" * 100_000, "line 1: it is not valid JSON"),
        ("a.jsonl", b'{"other": "a"}', "line 1: there is no column caption or title or text"),
        ("a.tar", b"no tar at all" * 100, r"a\.tar is no plain tar file, or damaged"),
        ("a.parquet", b"PAR1", r"no captions in .*a\.parquet: give a file that ends in \.txt,"),
    ],
)
def test_a_wrong_file_is_told_when_it_is_opened(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=sentence):
        open_captions(tmp_path / name)


def test_nothing_to_read_is_told(tmp_path):
    for path in (tmp_path, tmp_path / "gone.txt"):
        with pytest.raises(InvalidInput, match="There are no captions in"):
            open_captions(path)


@pytest.mark.parametrize(
    ("member", "sentence"),
    [
        (("1.txt", b"\xff"), r"a\.tar, byte 512: it is not UTF-8"),
        (("1.json", b"{"), "it is not valid JSON"),
        (("1.json", b'{"url": "x"}'), "no column caption or title or text, only url"),
        (("1.txt", b"x" * 1_000_001), r"1\.txt has 1,000,001 bytes, and 1,000,000 are allowed"),
    ],
)
def test_a_wrong_member_of_a_shard_is_told(tmp_path, member, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        open_captions(write_tar(tmp_path / "a.tar", member))


def test_a_file_that_is_cut_short_while_in_use_is_told(tmp_path):
    path = write_text(tmp_path / "a.txt", "one\ntwo\n")
    corpus = open_captions(path)
    path.write_text("one\n")
    assert corpus[0].caption == "one"
    with pytest.raises(InvalidInput, match="was cut short while it was in use"):
        corpus[1]


LINES = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=8),
    min_size=1,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=LINES)
def test_every_caption_comes_back_as_it_was_written(tmp_path, rows):
    """Of any characters: in CSV with quotes and newlines inside, and in JSON lines."""
    rows = ["first", *rows]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([["n", "text"], *([7, one] for one in rows)])
    table = open_captions(write_text(tmp_path / "a.csv", out.getvalue()))
    lines = "\n".join(json.dumps({"text": one}, ensure_ascii=False) for one in rows)
    objects = open_captions(write_text(tmp_path / "a.jsonl", lines))
    expected = [one.strip() for one in rows]
    assert [one.caption for one in table] == expected
    assert [one.caption for one in objects] == expected
    backwards = list(reversed(range(len(rows))))
    assert table.captions(backwards) == objects.captions(backwards) == expected[::-1]
