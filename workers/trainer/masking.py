"""Captions with pseudo tokens in the place of their keywords: what LinCIR trains on.

Gu et al. 2024, "Language-only efficient training of zero-shot composed image retrieval", section
3.2. The published code looks for each run of keywords as a text and replaces it wherever it stands,
inside other words too ("a" in "cat"); here runs are masked where they are. The parts between are
tokenised apart and joined around the pseudo tokens, whose places are known by position.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from random import Random

import torch
from torch import Tensor

from backend.encoding.prompts import PartsTokenizer
from workers.trainer.keywords import KeywordTagger, Run

Segments = tuple[str, ...]
"""The texts between pseudo tokens: one more than there are pseudo tokens, some may be empty."""

ALONE: Segments = ("a photo of ", "")
"""What is read where no pseudo token is left of a caption."""

PERSON = "<person>"
Fits = Callable[[str], bool]
Chosen = Callable[[], Random]


def cleaned(caption: str | None, fits: Fits = lambda text: True) -> str:
    """A caption as it is trained on: lower case, without `$`, as many words as the context holds.

    fits: whether a text is short enough for the tower.
    """
    text = (caption or "").lower().replace(PERSON, "person").replace("$", "").strip()
    if fits(text):
        return text
    words = text.split()
    low, high = 0, len(words)  # the first `low` words fit, `high` do not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(" ".join(words[:middle])) else (low, middle)
    return " ".join(words[:low])


def masked(caption: str, runs: Sequence[Run], chosen: Chosen) -> Segments:
    """The caption around its runs; of one without keywords a word, drawn at random, is masked."""
    places = list(runs) or [_random_word(caption, chosen())]
    edges = [0, *(edge for run in places for edge in run), len(caption)]
    return tuple(caption[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


def masked_as_published(caption: str, runs: Sequence[Run], chosen: Chosen) -> Segments:
    """The same by the published rule: each run is replaced as a text, wherever it occurs.

    A run that is empty, or no longer there because an earlier one ran through it, ends this: one
    whitespace-separated word, drawn at random, is replaced instead, everywhere.
    """
    mark = "[$]"
    text = caption
    for run in (" ".join(caption[start:end].split()) for start, end in runs) if runs else [""]:
        if not run or run not in text:
            words = text.split()
            text = text.replace(chosen().choice(words), mark) if words else mark
            break
        text = text.replace(run, mark)
    return tuple(text.split(mark))


@dataclass(frozen=True)
class Masker:
    """Turns cleaned captions into token ids and the places of their pseudo tokens.

    seed: of the words drawn; the same caption number gives the same word.
    """

    tagger: KeywordTagger
    parts: PartsTokenizer
    context: int
    seed: int
    published: bool = False

    def __call__(self, captions: Sequence[str], numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """n captions, and their numbers in the corpus -> (n, context) ids and (n, context) bool."""
        rule = masked_as_published if self.published else masked
        found = self.tagger.runs(captions)
        each = [
            rule(caption, runs, partial(Random, f"{self.seed} {number}"))
            for caption, runs, number in zip(captions, found, numbers, strict=True)
        ]
        return self.tokens(each)

    def tokens(self, each: Sequence[Segments]) -> tuple[Tensor, Tensor]:
        """Segments of n captions -> (n, context) ids and (n, context) bool; too long a caption is
        cut, and one that loses all its pseudo tokens by that is "a photo of" one."""
        ids = iter(self.parts([text for segments in each for text in segments]))
        rows = [self._row([next(ids) for _ in segments]) for segments in each]
        return torch.tensor([row for row, _ in rows]), torch.tensor([marks for _, marks in rows])

    def _row(self, segments: Sequence[list[int]]) -> tuple[list[int], list[bool]]:
        said, places = self._joined(segments)
        if not places:
            said, places = self._joined([self.parts.of_template(text) for text in ALONE])
        marks = [False] * self.context
        for place in places:
            marks[len(self.parts.start) + place] = True
        return self.parts.framed(said, self.context), marks

    def _joined(self, segments: Sequence[list[int]]) -> tuple[list[int], list[int]]:
        """The ids within the context, and which of them are pseudo tokens."""
        room = self.parts.room(self.context)
        said, places = list(segments[0]), []
        for _, segment in pairwise(segments):
            places.append(len(said))
            said += [self.parts.hole, *segment]
        return said[:room], [place for place in places if place < room]


def _random_word(caption: str, random: Random) -> Run:
    """Where one of the caption's words is; its whole where it has none."""
    words = caption.split()
    if not words:
        return 0, len(caption)
    number = random.randrange(len(words))
    start = 0
    for word in words[: number + 1]:
        start = caption.index(word, start) + len(word)
    return start - len(words[number]), start
