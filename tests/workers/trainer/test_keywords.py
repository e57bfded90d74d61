"""Which words are keywords: the rules against sixty captions tagged by hand."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import SetupError
from workers.trainer.keyword_rules import keyword_runs, keywords, kinds
from workers.trainer.keywords import Run, keyword_tagger

TAGGED = Path(__file__).with_name("tagged_captions.txt")


def tagged() -> list[tuple[str, list[Run]]]:
    """Captions with the runs that stand in brackets in the file."""
    found = []
    for line in TAGGED.read_text().splitlines():
        runs, shift = [], 0
        for match in re.finditer(r"\[([^]]*)\]", line):
            start = match.start() - shift
            runs.append((start, start + len(match.group(1))))
            shift += 2
        found.append((re.sub(r"[\[\]]", "", line), runs))
    return found


def agreement() -> tuple[float, float, float]:
    """Precision and recall of whole runs, and the share of words that are tagged alike."""
    right = said = meant = alike = words = 0
    for caption, runs in tagged():
        found = keyword_runs(caption)
        right += len(set(found) & set(runs))
        said, meant = said + len(found), meant + len(runs)
        for match in re.finditer(r"\S+", caption):
            ours, theirs = (
                any(a <= match.start() and match.end() <= b for a, b in each)
                for each in (found, runs)
            )
            alike, words = alike + (ours == theirs), words + 1
    return right / said, right / meant, alike / words


def test_the_rules_agree_with_sixty_captions_tagged_by_hand():
    precision, recall, words = agreement()
    assert len(tagged()) == 60
    assert precision >= 0.9
    assert recall >= 0.9
    assert words >= 0.95


def test_runs_are_where_they_stand_and_end_at_punctuation():
    text = "A red hat,  the T-shirt and a cat."
    assert [text[a:b] for a, b in keyword_runs(text)] == ["A red hat", "the T-shirt", "a cat"]
    assert keyword_runs("") == []
    assert keyword_runs("is very, very slowly with it") == []


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a dress that is red", [True, True, False, False, True]),
        ("wearing that dress", [False, True, True]),
        ("is more colorful", [False, False, True]),
        ("has more buttons", [False, True, True]),
        ("the blue one", [True, True, True]),
        ("one dog", [False, True]),
        ("a running shoe", [True, True, True]),
        ("a man running", [True, True, False]),
        ("a girl dances with a fan", [True, True, False, False, True, True]),
        ("the dances of the year", [True, True, False, True, True]),
        ("an abandoned house", [True, True, True]),
        ("a house abandoned by all", [True, True, False, False, True]),
    ],
)
def test_neighbours_decide_what_a_word_is(caption, expected):
    assert keywords(caption.split()) == expected


def test_every_word_has_a_kind():
    words = ["the", "man", "slowly", "walks", "to", "us", "and", "one", "dog"]
    assert kinds(words) == [
        "det", "open", "adverb", "verb", "preposition", "pronoun", "conjunction", "number", "open",
    ]  # fmt: skip


@given(st.text())
def test_runs_lie_in_the_text_in_order_and_apart(text):
    runs = keyword_runs(text)
    edges = [edge for run in runs for edge in run]
    assert edges == sorted(edges)
    assert all(0 <= start < end <= len(text) for start, end in runs)
    assert all(text[end:start].strip() for (_, end), (start, _) in zip(runs, runs[1:]))  # noqa: B905, RUF007


def test_the_tagger_that_is_not_installed_is_told():
    if find_spec("spacy") and find_spec("en_core_web_sm"):
        assert keyword_tagger("auto").name.startswith("spacy")
        return
    assert keyword_tagger("auto").name == "rules"
    with pytest.raises(SetupError, match="spaCy with its model en_core_web_sm is not installed"):
        keyword_tagger("spacy")
