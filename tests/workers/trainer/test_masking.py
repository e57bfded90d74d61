"""Captions with their keywords masked: by position, and by the published rule."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.encoding.backbone import Backbone
from backend.encoding.injection import injected_features
from backend.encoding.towers import text_features
from tests.backend.search.shop import load_tiny_backbone, write_tiny_backbone
from workers.trainer.keyword_rules import keyword_runs
from workers.trainer.keywords import RULES
from workers.trainer.masking import Masker, cleaned, masked, masked_as_published

CONTEXT = 12  # of the tiny backbone: ten tokens between start and end


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    folder = write_tiny_backbone(tmp_path_factory.mktemp("masking") / "backbone")
    return load_tiny_backbone(folder)


@pytest.fixture(scope="module")
def masker(backbone: Backbone) -> Masker:
    return Masker(RULES, backbone.parts_tokenizer, backbone.context_length, seed=0)


def ids(backbone: Backbone, text: str) -> list[int]:
    """The ids of a text alone."""
    return [i for i in backbone.tokenize([text])[0].tolist() if i not in (0, 49406, 49407)]


def never() -> Random:
    raise AssertionError("nothing is to be drawn")


def fits(room: int, text: str) -> bool:
    return len(text.split()) <= room


def test_a_caption_is_cleaned():
    assert cleaned(None) == ""
    assert cleaned("  <PERSON> pays $5 for A hat ") == "person pays 5 for a hat"
    assert cleaned(" $ ") == ""


def test_a_caption_beyond_the_context_keeps_the_words_that_fit():
    words = [f"w{n}" for n in range(9)]
    for room in range(12):
        found = cleaned(" ".join(words), partial(fits, room))
        assert found.split() == words[:room]


def test_every_run_is_masked_where_it_stands():
    caption = "a cat and a dog chase a cat"
    runs = [(0, 5), (10, 15), (22, 27)]
    assert masked(caption, runs, never) == ("", " and ", " chase ", "")


def test_a_run_inside_another_word_is_left_alone_but_not_by_the_published_rule():
    caption, runs = "art of an artist", [(0, 3), (7, 16)]
    assert masked(caption, runs, never) == ("", " of ", "")
    # "art" is replaced in "artist" too, so the second run is not found and a word is drawn.
    found = masked_as_published(caption, runs, lambda: Random(1))
    assert found in {
        ("", " of an ", "ist"),  # one of "[$]" itself
        ("", " ", " an ", "ist"),
        ("", " of ", " ", "ist"),
        ("", " of an ", ""),
    }


def test_the_published_rule_joins_the_words_of_a_run_by_single_spaces():
    caption = "a  cat runs"
    assert masked_as_published(caption, [(0, 6)], lambda: Random(0)) in {
        ("", "  cat runs"),
        ("a  ", " runs"),
        ("a  cat ", ""),
    }
    assert masked_as_published("a cat runs at a cat", [(0, 5)], never) == ("", " runs at ", "")


def test_a_caption_without_keywords_loses_one_word():
    found = {masked("runs quickly away", [], partial(Random, n)) for n in range(40)}
    assert found == {("", " quickly away"), ("runs ", " away"), ("runs quickly ", "")}
    assert masked("", [], lambda: Random(0)) == ("", "")
    assert masked_as_published("", [], lambda: Random(0)) == ("", "")


def test_the_places_of_pseudo_tokens_are_known_by_position(backbone, masker):
    (tokens,), (marks,) = masker(["a red dress with a belt"], [0])
    assert marks.nonzero().flatten().tolist() == [1, 3]
    assert tokens[2:3].tolist() == ids(backbone, "with")
    assert tokens[4] == 49407
    assert tokens.shape == marks.shape == (CONTEXT,)


def test_what_is_beyond_the_context_is_cut_and_the_end_stays(backbone, masker):
    (tokens,), (marks,) = masker.tokens([("very " * 8, " of ", "")])
    assert marks.nonzero().flatten().tolist() == [9]
    assert tokens[11] == 49407
    (tokens,), (marks,) = masker.tokens([("very " * 20, "")])
    assert marks.nonzero().flatten().tolist() == [4]  # "a photo of" it, for none was left
    assert tokens[1:4].tolist() == ids(backbone, "a photo of")


def test_the_same_caption_number_loses_the_same_word(masker):
    caption = ["is quickly away and is gone"]
    assert masker.tagger.runs(caption) == [[]]
    one, again = masker(caption, [7]), masker(caption, [7])
    assert torch.equal(one[1], again[1])
    others = {masker(caption, [number])[1].nonzero()[0, 1].item() for number in range(30)}
    assert len(others) > 1


def test_the_masked_caption_with_its_own_words_put_back_is_the_caption(backbone):
    """Exactness: with a word's own embedding as the pseudo token nothing changes."""
    model = backbone.model
    marker = Masker(RULES, backbone.parts_tokenizer, backbone.context_length, seed=0)
    tokens, marks = marker.tokens([("a ", " dress with ", " sleeves"), ("", " and more", "")[:2]])
    with torch.no_grad():
        words = model.token_embedding(torch.tensor([[*ids(backbone, "red")]])[0])
        found = injected_features(model, tokens, marks, words.expand(2, -1))
        plain = text_features(
            model, backbone.tokenize(["a red dress with red sleeves", "red and more"])
        )
    assert torch.allclose(found, plain, atol=1e-5)


@given(st.text(alphabet="abc $-,.'é", max_size=40))
def test_nothing_of_a_caption_but_its_runs_is_lost(text):
    caption = cleaned(text)
    runs = keyword_runs(caption)
    if not runs:
        return
    segments = masked(caption, runs, never)
    assert len(segments) == len(runs) + 1
    words = [caption[start:end] for start, end in runs]
    assert "".join(a + b for a, b in zip(segments, [*words, ""], strict=True)) == caption
    assert all(one[0] < two[0] for one, two in pairwise(runs))


def test_the_published_rule_is_one_option(backbone: Backbone, tmp_path: Path):
    published = Masker(RULES, backbone.parts_tokenizer, CONTEXT, seed=0, published=True)
    _, marks = published(["a cat is in a catalogue"], [0])
    _, right = Masker(RULES, backbone.parts_tokenizer, CONTEXT, seed=0)(
        ["a cat is in a catalogue"], [0]
    )
    assert right.sum() == 2
    assert marks.sum() >= 2
