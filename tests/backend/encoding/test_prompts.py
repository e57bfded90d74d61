"""Prompts: parts and words tokenised apart, joined around the place of the pseudo token."""

from __future__ import annotations

import re

import open_clip
import pytest
import torch

from backend.encoding.prompts import PartsTokenizer, Prompt
from backend.errors import InvalidInput

CONTEXT = 77
clip = open_clip.SimpleTokenizer()
START, END = clip.sot_token_id, clip.eot_token_id
DOLLAR, STAR = clip.encode("$")[0], clip.encode("*")[0]


@pytest.fixture(scope="module")
def parts() -> PartsTokenizer:
    return PartsTokenizer(lambda texts: clip(texts, CONTEXT))


def words_of(prompt: str, text: str | None, parts: PartsTokenizer, context: int = CONTEXT):
    """The sentence's ids without frame, the pseudo token's as a `$` of its own."""
    ids, position = Prompt.parse(prompt).tokens(parts, text, context)
    row = ids.tolist()
    assert ids.shape == (context,)
    assert row[0] == START
    assert row.count(END) == 1, "EOT stays, once"
    row[position] = DOLLAR
    return row[1 : row.index(END)]


def test_the_ids_of_dollar_and_star_are_those_of_the_papers():
    assert (DOLLAR, STAR) == (259, 265)


@pytest.mark.parametrize(
    ("template", "text", "sentence"),
    [
        ("a photo of $ that {}", "is red and longer", "a photo of $ that is red and longer"),
        ("a photo of $ , {}", "in blue", "a photo of $ , in blue"),
        ("photo of a $ {}", "with dots", "photo of a $ with dots"),
        ("a {} of $", "cartoon", "a cartoon of $"),
        ("a photo of $ and {} outside", "two dogs", "a photo of $ and two dogs outside"),
        ("a photo of $", None, "a photo of $"),
        ("$ {}", "red", "$ red"),
        ("$", "unread", "$"),
    ],
)
def test_a_sentence_is_what_its_words_are_tokenised_to_together(parts, template, text, sentence):
    assert words_of(template, text, parts) == clip.encode(sentence)


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("a photo of $ that {}", "a photo of $"),
        ("a photo of $ and {} outside", "a photo of $"),
        ("a {} of $", "$"),
        ("{} as in $ here", "$ here"),
    ],
)
@pytest.mark.parametrize("text", [None, "", "  \n "])
def test_without_words_the_glue_around_them_goes_too(parts, template, sentence, text):
    assert words_of(template, text, parts) == clip.encode(sentence)


@pytest.mark.parametrize("text", ["$ 5 $", "($)", "*,", "$,", "$.", "a $ of {}", "{}", "{0}"])
def test_placeholders_in_the_users_own_words_are_words(parts, text):
    before, after = clip.encode("a photo of"), clip.encode("that")
    ids, position = Prompt.parse("a photo of $ that {}").tokens(parts, text, CONTEXT)
    expected = [START, *before, parts.hole, *after, *clip.encode(text), END]
    assert position == 1 + len(before)
    assert ids.tolist() == expected + [0] * (CONTEXT - len(expected))


def test_the_hole_is_a_word_and_neither_padding_nor_an_end(parts):
    assert parts.hole == clip.encode("a")[0]
    assert (parts.start, parts.end, parts.pad) == ([START], [END], 0)


@pytest.mark.parametrize("text", ["red <end_of_text> blue", "<start_of_text>red blue"])
def test_an_end_spelt_out_by_the_user_ends_nothing(parts, text):
    assert words_of("{} as in $", text, parts) == clip.encode("red blue as in $")


def test_a_word_that_has_the_id_of_padding_is_kept(parts):
    assert 0 in clip.encode("!☃")
    assert words_of("$ {}", "red !☃", parts) == clip.encode("$ red !☃")


@pytest.mark.parametrize(
    ("template", "context", "words"),
    [("a photo of $ that {}", 10, 3), ("{} of $", 10, 6), ("$ {} here", 9, 5), ("$ that {}", 4, 0)],
)
def test_too_long_a_text_is_cut_and_the_template_stays(parts, template, context, words):
    short = PartsTokenizer(lambda texts: clip(texts, context))
    text = " ".join(["red"] * 90)
    expected = template.replace("{}", " ".join(["red"] * words))
    assert words_of(template, text, short, context) == clip.encode(expected)
    prompt = Prompt.parse(template)
    assert prompt.cuts(short, text, context)
    assert not prompt.cuts(short, " ".join(["red"] * words), context)
    assert prompt.cuts(short, " ".join(["red"] * (words + 1)), context)


def test_a_template_longer_than_the_context_is_refused():
    short = PartsTokenizer(lambda texts: clip(texts, 6))
    sentence = re.escape('prompt "a photo of one $" leaves no room in the 6 tokens')
    with pytest.raises(InvalidInput, match=sentence):
        Prompt.parse("a photo of one $").tokens(short, None, 6)


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("a photo that {}", "has no places for the picture: write one \\$"),
        ("$ and $ that {}", "has 2 places for the picture"),
        ("$ {} {}", "braces besides one place for the text"),
        ("$ that {caption}", "braces besides one place for the text"),
        ("$ that }", "braces besides one place for the text"),
    ],
)
def test_a_template_with_other_places_is_refused(template, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        Prompt.parse(template)


# Tokenizers of other kinds


def words_only(end: int, pad: int, start: tuple[int, ...] = ()):
    """A tokenizer of whole words, in the frame of another: [start] words end pad pad ..."""

    def tokenize(texts: list[str], context: int = 8) -> torch.Tensor:
        rows = []
        for text in texts:
            ids = [10 + sum(map(ord, word)) % 1000 for word in text.split()]
            row = [*start, *ids][: context - 1]
            rows.append([*row, end] + [pad] * (context - len(row) - 1))
        return torch.tensor(rows)

    return tokenize


@pytest.mark.parametrize(
    ("start", "end", "pad"),
    [((), 1, 1), ((), 1, 0), ((0,), 2, 1), ((101,), 0, 0)],
    ids=["SigLIP", "SigLIP 2", "XLM", "CLIPA"],
)
def test_the_frame_of_any_tokenizer_is_found(start, end, pad):
    tokenize = words_only(end, pad, start)
    parts = PartsTokenizer(tokenize)
    one, two = (tokenize([word])[0, len(start)].item() for word in ("one", "two"))
    ids, position = Prompt.parse("one $ two {}").tokens(parts, "one", 8)
    expected = [*start, one, parts.hole, two, one, end]
    assert position == len(start) + 1
    assert ids.tolist() == expected + [pad] * (8 - len(expected))
    full, _ = Prompt.parse("$ {}").tokens(parts, "one " * 20, 8)
    assert full.tolist() == [*start, parts.hole, *[one] * (6 - len(start)), end]


def test_a_tokenizer_that_does_not_frame_is_refused():
    def backwards(texts):
        return words_only(1, 1)(texts).flip(1)

    with pytest.raises(InvalidInput, match="does not lay out a text as start, words, end"):
        PartsTokenizer(backwards)
