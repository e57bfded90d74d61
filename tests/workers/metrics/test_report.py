"""The HTML page: whole in itself, strangers' text escaped, a picture for every name."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.figures import Evaluation, Figure, Row, Terms
from workers.datasets.regions import Region
from workers.datasets.triplets import Triplet, triplet_split
from workers.metrics import wardrobe
from workers.metrics.cases import Look, best_and_worst
from workers.metrics.questions import questions
from workers.metrics.report import SIDE, report_page, thumbnail, write_report
from workers.metrics.scores import Similarities
from workers.metrics.tabulating import Answered, tabulated

EVIL = '<script>alert("x")</script> & "quoted"'


class Tags(HTMLParser):
    """The tags of a page, whether they are closed in order, and the texts between them."""

    VOID = ("meta", "img", "br")

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.sources, self.texts = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def painted(path, colour, size=(300, 200)):
    Image.new("RGB", size, colour).save(path)
    return path


@pytest.fixture
def page(tmp_path):
    """A report on three queries over four pictures, one of which is damaged."""
    names = ("a&b", "c", "d", "e")
    colours = ("red", "green", "blue", "black")
    images = {
        name: painted(tmp_path / f"{number}.png", colour)
        for number, (name, colour) in enumerate(zip(names, colours, strict=True))
    }
    images["e"].write_text("no picture")
    pairs = (("a&b", "c"), ("c", "d"), ("d", "a&b"))
    triplets = [Triplet(str(n), r, (EVIL,), t) for n, (r, t) in enumerate(pairs)]
    split = triplet_split("test/val", triplets, names, images, source="x")
    protocol = wardrobe.BENCHMARK.protocol("default")
    asked = questions(split, protocol)
    scorer = Similarities(np.eye(4, dtype=np.float32)[[1, 1, 0]], np.eye(4, dtype=np.float32))
    outcome = wardrobe.measure(scorer, asked.asked, protocol)
    answered = Answered("all", outcome, asked.terms("as written"), asked.groups)
    rows = tuple(tabulated(wardrobe.BENCHMARK, "composed", [answered]))
    told = Evaluation(
        benchmark="wardrobe", split="test/val", model=EVIL, rows=rows, remarks=(f"Beware: {EVIL}",)
    )
    look = Look(asked, [[EVIL] * 3], scorer, {"composed": outcome.ranks})
    best, worst = best_and_worst([look], "composed", count=2)
    return report_page(told, best, worst)


def test_the_page_needs_nothing_beside_it(page):
    tags = Tags(page)
    assert tags.open == []
    assert tags.sources
    assert all(source.startswith("data:image/jpeg;base64,") for source in tags.sources)
    assert "http" not in page.replace("http-equiv", "")


def test_the_text_of_strangers_is_text(page):
    tags = Tags(page)
    assert "script" not in tags.tags
    text = "".join(tags.texts)
    assert EVIL in text
    assert f"Beware: {EVIL}" in text
    assert "reference: a&b" in text


def test_figures_stand_with_their_intervals_and_terms(page):
    text = " ".join(Tags(page).texts)
    for part in ("R@1", "MRR", "77.78", "33.3 to 100.0", "Best queries", "Worst queries"):
        assert part in text
    assert "reference removed, captions as written; 4 of 4 images found" in text


def rows(*groups):
    terms = Terms(
        protocol="default",
        gallery="original",
        reference="kept",
        captions="as written",
        images_found=9,
        images_listed=9,
        queries_asked=3,
        queries_listed=4,
    )
    figures = {"R@1": Figure(value=12.5, low=10, high=15.04)}
    return tuple(
        Row(asking="composed", group=group, queries=3, figures=figures, terms=terms)
        for group in groups
    )


@pytest.mark.parametrize(("count", "folded"), [(4, False), (5, True)])
def test_many_categories_are_folded(count, folded):
    told = rows("mean", *(f"class {n}" for n in range(count)))
    page = report_page(Evaluation(benchmark="b", split="s", model="m", rows=told), [], [])
    tags = Tags(page)
    assert tags.open == []
    assert f"Categories ({count})" in tags.texts
    assert ("<details>" in page) == folded
    assert page.count("10.0 to 15.0") == count + 1


def test_an_incomplete_row_says_of_how_many_queries(page):
    told = Evaluation(benchmark="b", split="s", model="m", rows=rows("all"))
    tags = Tags(report_page(told, [], []))
    assert "of 4" in tags.texts
    assert "details" not in tags.tags
    assert not any(text.startswith("of ") for text in Tags(page).texts)


def test_a_damaged_picture_leaves_a_gap(page):
    assert "no picture" in Tags(page).texts


def decoded(source):
    data = base64.b64decode(source.removeprefix("data:image/jpeg;base64,"))
    return Image.open(io.BytesIO(data))


def test_thumbnails_are_small_and_keep_their_shape(tmp_path):
    picture = decoded(thumbnail(painted(tmp_path / "p.png", "red"), None))
    assert (picture.format, picture.size) == ("JPEG", (SIDE, round(SIDE * 2 / 3)))
    red, green, blue = picture.getpixel((5, 5))
    assert red > 240
    assert max(green, blue) < 15


def test_a_region_is_what_is_shown(tmp_path):
    path = painted(tmp_path / "p.png", "red", (40, 40))
    with Image.open(path) as image:
        image.paste("blue", (20, 0, 40, 40))
        image.save(path)
    picture = decoded(thumbnail(path, Region((20, 0, 40, 40))))
    assert picture.size == (20, 40)
    assert picture.getpixel((10, 10))[2] > 240


def test_a_report_appears_whole_in_a_new_folder(tmp_path):
    write_report(tmp_path / "new/report.html", "page")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]
    assert (tmp_path / "new/report.html").read_text() == "page"


def test_a_picture_that_vanished_leaves_a_gap(tmp_path):
    assert thumbnail(Path(tmp_path / "gone.png"), None) == ""
