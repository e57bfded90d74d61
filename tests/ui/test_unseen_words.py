"""Words the model never saw are underlined where they were typed, and told without alarm."""

from __future__ import annotations

import pytest

from tests.ui.conftest import Visit, html
from tests.ui.shop import Shop
from tests.ui.test_search import ask, first
from ui.history import Query
from ui.unseen_words import note, underlined

HOSTILE = '<img src=x onerror=alert(1)>"'


@pytest.mark.parametrize(
    ("text", "words", "shown"),
    [
        ("in velvet", ["velvet"], "in <u>velvet</u>"),
        ("Velvet, VELVET", ["velvet"], "<u>Velvet</u>, <u>VELVET</u>"),
        ("velvety velvet", ["velvet"], "velvety <u>velvet</u>"),
        ("zip-off zip", ["zip", "zip-off"], "<u>zip-off</u> <u>zip</u>"),
        ("a & b (c++)", ["b", "c"], "a &amp; <u>b</u> (<u>c</u>++)"),
    ],
)
def test_words_are_underlined_where_they_stand(text: str, words: list[str], shown: str) -> None:
    assert underlined(text, words) == shown


def test_one_word_is_spoken_of_as_one() -> None:
    told = note(Query(None, "in velvet"), ["velvet"], demo=True)
    assert "The demo model never saw the word <em>velvet</em>." in told
    assert "guess at it" in told
    assert "docs/backbones.md" in told


def test_of_many_words_a_few_are_named() -> None:
    words = [f"word{n}" for n in range(20)]
    told = note(Query(None, " ".join(words)), words, demo=False)
    assert "The model never saw the words" in told
    assert "<em>word7</em> and 12 more" in told
    assert "<em>word8</em>" not in told


def test_known_words_bring_no_note() -> None:
    assert note(Query(None, "red"), [], demo=True) == ""


def test_what_was_typed_stays_text() -> None:
    told = note(Query(None, HOSTILE, without=(HOSTILE,)), ["img", "onerror"], demo=True)
    assert "<img" not in told
    assert "&lt;<u>img</u> src=x" in told


def test_the_page_marks_them_in_the_words_and_in_the_phrases_to_leave_out(visit: Visit) -> None:
    page = visit("search")
    page.button(key=first(page, "pick_window_")).click().run()
    ask(page, "but in red velvet")
    assert "“but in red <u>velvet</u>”" in html(page)
    page.multiselect(key="without").set_value(["a zip"]).run()
    assert not page.exception
    assert "<span>without</span> “a <u>zip</u>”" in html(page)
    assert "never saw the words <em>velvet</em> and <em>zip</em>" in html(page)


def test_the_page_is_silent_about_known_words(visit: Visit, shop: Shop) -> None:
    page = visit("search")
    ask(page, "red")
    assert shop.searches[-1].text == "red"
    assert "akin-unseen" not in html(page)


def test_the_note_stands_where_nothing_matches_too(visit: Visit, shop: Shop) -> None:
    page = visit("search")
    shop.products.clear()
    ask(page, "in velvet")
    assert "Nothing matches" in html(page)
    assert "<u>velvet</u>" in html(page)
