"""Which words a backbone never saw, and how their other forms are read."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.encoding.backbone import BackboneSpec, load_backbone
from backend.encoding.loading import CARD, DEMO_FOLDER
from backend.encoding.vocabulary import Vocabulary, words_of

CAPTIONS = ["A red T-shirt with polka-dot sleeves", "it's a dress", "black shoes", "V-neck"]


@pytest.fixture(scope="module")
def known() -> Vocabulary:
    return Vocabulary(words_of(CAPTIONS))


@pytest.fixture(scope="module")
def demo():
    return load_backbone(BackboneSpec(), device="cpu", threads=1)


def test_the_words_of_captions_are_their_parts_in_lower_case_and_sorted():
    assert words_of(CAPTIONS[:2]) == [
        "a", "dot", "dress", "it", "polka", "red", "shirt", "sleeves", "t", "with"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "unseen"),
    [
        ("", []),
        ("red", []),
        ("RED, black! (dress)", []),
        ("in velvet with a zip, please", ["velvet", "zip"]),
        ("Velvet and velvet", ["Velvet"]),
        ("a t-shirt", []),
        ("a t\u2010shirt", []),
        ("an off-shoulder x-neck dress", ["off-shoulder", "x-neck"]),
        ("the dress's sleeves", []),
        ("the dress\u2019s sleeves", []),
        ("women's shoes", ["women's"]),
        ("I'd like it, don't you'll", []),
        ("'quoted' -- red-", ["quoted"]),
        ("dresses, T-shirts, a sleeve and one shoe", []),
        ("size 42 for 40 \u20ac", ["size", "42", "40"]),
        ("without stripes", ["without", "stripes"]),
        ("rotes Kleid / \u7ea2\u8272", ["rotes", "Kleid", "\u7ea2\u8272"]),
        ("\u0932\u093e\u0932", ["\u0932\u093e\u0932"]),
        ("\uff52\uff45\uff44 re\u0301d", ["re\u0301d"]),
        ("red_velvet red/velvet", ["velvet"]),
        ("\U0001f457 !? \u2014 ...", []),
    ],
)  # fmt: skip
def test_words_never_seen_are_named_as_typed(known, text, unseen):
    assert known.unseen([text]) == unseen


def test_words_of_several_texts_are_named_once(known):
    assert known.unseen(["in lace", "velvet or LACE"]) == ["lace", "velvet"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Black DRESSES, two T-shirts!", "Black dress, two T-shirt!"),
        ("one  shoe/sleeve", "one  shoes/sleeves"),
        ("velvets as reds", "velvets as red"),
        ("its dress", "its dress"),
    ],
)
def test_the_other_form_of_a_seen_word_is_read_as_that_word(known, text, read):
    assert known.read_as(text) == read


@given(st.text(max_size=60))
def test_any_text_is_read_and_what_is_unseen_was_typed(text):
    known = Vocabulary(words_of(CAPTIONS))
    assert all(word in text for word in known.unseen([text]))
    assert known.unseen([known.read_as(text)]) == known.unseen([text])


def test_what_was_seen_is_read_as_it_stands():
    known = Vocabulary(words_of(CAPTIONS))
    assert [known.read_as(caption) for caption in CAPTIONS] == CAPTIONS
    assert known.unseen(CAPTIONS) == []


def test_the_demo_reads_a_plural_as_the_word_it_knows(demo):
    one, several = demo.encode_texts(["red dress", "red dresses"])
    np.testing.assert_array_equal(one, several)
    assert demo.unseen_words(["red dresses in velvet"]) == ["velvet"]


def test_a_backbone_that_lists_no_words_has_seen_them_all(tiny_models):
    tiny = tiny_models["tiny-native"]
    backbone = load_backbone(BackboneSpec(tiny.name, str(tiny.weights)), device="cpu", threads=1)
    assert backbone.unseen_words(["velvet"]) == []


def test_the_shipped_card_lists_sorted_words():
    words = json.loads((DEMO_FOLDER / CARD).read_text())["vocabulary"]
    assert words == sorted(set(words))
    assert words == words_of(words)
