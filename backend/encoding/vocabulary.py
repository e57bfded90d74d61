"""The words a backbone was trained on, where its card lists them, and those of a query it never
saw.

A small backbone that was trained from scratch knows the words of its captions and nothing else: to
the demo's, "velvet" is noise. Big pretrained ones list no words, for they have seen about all.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Iterator
from itertools import groupby

HYPHENS = "-\u2010\u2011"
APOSTROPHES = "'\u2019"
_JOINERS = frozenset(HYPHENS + APOSTROPHES)
_CONTRACTIONS = frozenset({"s", "t", "d", "m", "ll", "re", "ve"})  # CLIP's: tokens of their own
_SHORTEST_STEM = 3

# Words that say nothing of a look: they need not be known. The demo's own evaluation asks in
# sentences of such words it never saw ("can I get this in ..."), and finds what is meant. Words
# that turn a meaning round (without, less, except) are not among them.
_PASSING = """
a an the this that these those it its itself one ones some any all each every both other others
another i me my mine you your yours we us our he him his she her hers they them their
is are am was were be been being do does did done doing don doesn didn isn aren wasn wouldn
have has had having haven hasn will won would shall should can could couldn may might must let
lets and or but nor so yet as if then than though although because while of in on at to for
from by into onto with over under up down out off about around between per via
like likes alike same similar just only also too very really quite rather instead even still
again now maybe perhaps please thanks thank hi hello hey ok okay yes well
want wants wanted wish need needs needed get gets getting got give gives take takes show shows
find finds search searching look looks looking see sees seems seem think know shop shopping buy
buying sell sells comes come came make makes made making change changes changed swap swapped
turn turned replace replaced keep prefer love likewise thing things something anything
everything someone somebody there here what which who where when how why whatever
better best good nice more most much bit lot kind sort sorts image images photo photos picture
pictures shot shots studio
"""
PASSING = frozenset(_PASSING.split())


class Vocabulary:
    """The words of a backbone's training captions."""

    def __init__(self, words: Collection[str]) -> None:
        """words: lower case, as `words_of` gives them."""
        self._seen = frozenset(words)

    def unseen(self, texts: Iterable[str]) -> list[str]:
        """The words of the texts that were never seen and could matter, as typed, each once.

        A word of several parts (t-shirt) is unseen if one of them is. Case and the possessive do
        not count, nor do a plural or singular whose other form was seen: it is `read_as` that one.
        """
        found: dict[str, str] = {}
        for text in texts:
            for word in _typed(text):
                if not all(self._is_known(part) for part in _parts(word)):
                    found.setdefault(_folded(word), word)
        return list(found.values())

    def read_as(self, text: str) -> str:
        """The text with each unseen plural or singular as the form that was seen.

        Among the demo's first 20 of 240 pictures, "dress" brings 19 dresses, and "dresses", not
        read so, one.
        """
        runs = ((is_word, "".join(run)) for is_word, run in groupby(text, _in_word))
        return "".join(self._seen_form(run) or run if is_word else run for is_word, run in runs)

    def _is_known(self, part: str) -> bool:
        return part in self._seen or part in PASSING or self._seen_form(part) is not None

    def _seen_form(self, word: str) -> str | None:
        """The seen word that an unseen one is an inflection of: dresses, shoe."""
        part = _folded(word)
        if part in self._seen or part in PASSING or len(part) < _SHORTEST_STEM:
            return None
        forms = (part.removesuffix("s"), part.removesuffix("es"), f"{part}s", f"{part}es")
        long_enough = (form for form in forms if len(form) >= _SHORTEST_STEM)
        return next((form for form in long_enough if form in self._seen), None)


def words_of(texts: Iterable[str]) -> list[str]:
    """Every word in the texts, lower case and sorted; one with a hyphen or apostrophe as its parts,
    for so CLIP's tokenizer cuts it."""
    return sorted({part for text in texts for word in _typed(text) for part in _parts(word)})


def _typed(text: str) -> Iterator[str]:
    """The words as typed: letters and digits, with the hyphens and apostrophes between them."""
    for inside, run in groupby(text, lambda char: _in_word(char) or char in _JOINERS):
        word = "".join(run).strip(HYPHENS + APOSTROPHES)
        if inside and word:
            yield word


def _parts(word: str) -> list[str]:
    """The word's parts, folded, without what a contraction or the possessive leaves."""
    parts: list[str] = []
    after = ""  # the joiner before the part
    for is_part, run in groupby(_folded(word), _in_word):
        text = "".join(run)
        if not is_part:
            after = text
        elif not (after and after in APOSTROPHES and text in _CONTRACTIONS):
            parts.append(text)
    return parts


def _folded(word: str) -> str:
    return unicodedata.normalize("NFKC", word).lower()


def _in_word(char: str) -> bool:
    """Letters and digits of any script, and the marks that belong to them."""
    return char.isalnum() or unicodedata.category(char).startswith("M")
