from __future__ import annotations

import pytest

from workers.recipes.positives.templates import TEMPLATES, relative_captions


def never(texts):
    return [False] * len(texts)


def test_the_three_published_sentences():
    told = relative_captions([("a red dress", "a blue shirt")], (0, 1, 2), never)
    assert told == [
        (
            "a blue shirt instead of a red dress",
            "Unlike a red dress, I want a blue shirt",
            "a blue shirt",
        )
    ]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_template_is_chosen_by_its_number(number):
    told = relative_captions([("r", "t"), ("s", "u")], (number,), never)
    assert told == [
        (TEMPLATES[number].format(reference="r", target="t"),),
        (TEMPLATES[number].format(reference="s", target="u"),),
    ]


def test_a_sentence_that_is_too_long_gives_way_to_the_targets_caption():
    """Beyond 16 characters: the second template for both pairs, the first for one of them."""
    pairs = [("r", "t"), ("rrr", "ttt")]
    told = relative_captions(pairs, (0, 1), lambda texts: [len(text) > 16 for text in texts])
    assert told == [("t instead of r", "t"), ("ttt", "ttt")]


def test_braces_in_a_caption_are_no_fields():
    told = relative_captions([("{target}", "{0} {reference}")], (0,), never)
    assert told == [("{0} {reference} instead of {target}",)]


def test_all_sentences_are_measured_in_one_call():
    calls = []

    def cut(texts):
        calls.append(len(texts))
        return never(texts)

    relative_captions([("a", "b")] * 3, (0, 1), cut)
    assert calls == [6]
