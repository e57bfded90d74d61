"""The review sheet as a person uses it, in a real browser where there is one."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from tests.chromium import chromium, without_browser
from workers.recipes.positives import review
from workers.recipes.positives.formats import TripletFiles, read_accepted, read_pairs
from workers.recipes.positives.pairing import Pair
from workers.recipes.positives.review import SIDE, ReviewSheets, thumbnail

HOSTILE = '</script><script>document.title="obeyed"</script>'
PAIRS = [
    Pair("a", "b", ("blue instead of red", "blue"), "red", "blue"),
    Pair("b", "a", (f"{HOSTILE} & red", "red"), "blue", HOSTILE),
    Pair("a", "c", ("größer",), "red", "größer"),
]


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def pictures(tmp_path):
    for number, name in enumerate("abc"):
        Image.new("RGB", (400, 200), (80 * number, 0, 0)).save(tmp_path / f"{name}.png")
    return {name: tmp_path / f"{name}.png" for name in "abc"}


def sheets_of(folder, pictures, pairs, chosen=None):
    chosen = np.ones(len(pairs), dtype=bool) if chosen is None else np.array(chosen)
    sheets = ReviewSheets(folder, pictures, chosen)
    sheets.add(pairs)
    sheets.close()
    return sheets


def test_a_sheet_is_whole_in_itself(pictures, tmp_path):
    (path,) = sheets_of(tmp_path / "review", pictures, PAIRS).paths
    text = path.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    sources = [attrs["src"] for tag, attrs in tags.found if "src" in attrs]
    assert len(sources) == 6
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not [attrs for _, attrs in tags.found if "href" in attrs]
    assert "http://" not in text
    assert "https://" not in text
    assert [tag for tag, _ in tags.found].count("input") == 3
    assert [tag for tag, _ in tags.found].count("script") == 2


def test_a_thumbnail_is_small_and_the_picture(pictures):
    data = thumbnail(pictures["c"]).removeprefix("data:image/jpeg;base64,")
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (SIDE, SIDE // 2)
        assert abs(np.asarray(image)[5, 5, 0].astype(int) - 160) < 6


def test_so_many_triplets_make_a_sheet(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(review, "SHEET", 2)
    sheets = sheets_of(tmp_path / "review", pictures, PAIRS)
    assert [path.name for path in sheets.paths] == ["review-001.html", "review-002.html"]
    assert "sheet 002" in sheets.paths[1].read_text()


def test_only_the_chosen_are_shown_and_old_sheets_go(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(review, "SHEET", 1)
    sheets_of(tmp_path / "review", pictures, PAIRS)
    sheets = sheets_of(tmp_path / "review", pictures, PAIRS, [False, False, True])
    assert [path.name for path in (tmp_path / "review").iterdir()] == ["review-001.html"]
    assert "größer" in sheets.paths[0].read_text(encoding="utf-8")


def test_what_is_discarded_is_gone(pictures, tmp_path):
    sheets = sheets_of(tmp_path / "review", pictures, PAIRS)
    sheets.discard()
    assert list((tmp_path / "review").iterdir()) == []


@pytest.mark.long
@pytest.mark.browser
@without_browser
def test_the_ticked_triplets_are_saved_and_read_back(pictures, tmp_path):
    files = TripletFiles(tmp_path, "akin")
    with files.opened():
        files.write(PAIRS)
    (path,) = sheets_of(tmp_path / "review", pictures, PAIRS).paths
    with chromium() as browser:
        page = browser.new_page()
        problems = []
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(path.as_uri())
        boxes = page.get_by_role("checkbox")
        assert boxes.count() == 3
        boxes.nth(1).check()
        assert page.get_by_role("status").inner_text() == "1 of 3 ticked"
        page.get_by_role("button", name="Tick all").click()
        assert page.get_by_role("status").inner_text() == "3 of 3 ticked"
        boxes.nth(0).uncheck()
        with page.expect_download() as download:
            page.get_by_role("button", name="Save the ticked ones").click()
        assert download.value.suggested_filename == "accepted-001.json"
        download.value.save_as(tmp_path / "accepted-001.json")
        page.get_by_role("button", name="Tick none").click()
        assert page.get_by_role("status").inner_text() == "0 of 3 ticked"
        assert "obeyed" not in page.title()
        assert page.locator("img").evaluate_all("all => all.every(one => one.naturalWidth > 0)")
    assert problems == []
    assert read_pairs(tmp_path / "accepted-001.json") == PAIRS[1:]
    assert read_accepted(tmp_path, "akin", [tmp_path / "accepted-001.json"]) == PAIRS[1:]


def test_a_sheets_words_are_escaped(pictures, tmp_path):
    (path,) = sheets_of(tmp_path / "review", pictures, PAIRS).paths
    assert not re.search(r"<script>document", path.read_text(encoding="utf-8"))
