"""The sentence an inverted picture is read in: a template with one place for its pseudo token.

The published codes look for the vocabulary id of a `$` or `*` in the finished sentence, so that
`$,` loses the picture and a price of the user's own becomes a second one. Here the template's
parts and the user's text are tokenised apart and joined around a reserved position: what the user
writes is never looked through for a placeholder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from backend.errors import InvalidInput

if TYPE_CHECKING:
    from torch import Tensor

PSEUDO, TEXT = "$", "{}"
_PROBE = "a photo of a red dress"

Order = Literal["pseudo", "pseudo, text", "text, pseudo"]


class PartsTokenizer:
    """Tokenises the parts of a sentence apart, and puts them into a tokenizer's own frame.

    start, end: what the tokenizer puts around a text; pad: what it fills up with; hole: the id
    that stands where a pseudo token goes, whose embedding is replaced: a word's, so that no mask
    and no pooling takes it for something else.
    """

    def __init__(self, tokenize: Callable[[list[str]], Tensor]) -> None:
        """tokenize: n texts -> (n, context) ids.

        Raises InvalidInput for a tokenizer that does more than to frame the ids of a text.
        """
        self._tokenize = tokenize
        self.of_template = lru_cache(maxsize=128)(self._alone)
        empty, word = (row.tolist() for row in tokenize(["", "a"]))
        self.start: list[int] = empty[: _alike(empty, word)]
        self.pad: int = empty[-1]
        self.end: list[int] = _without_pads(empty[len(self.start) :], self.pad) or [self.pad]
        self.hole: int = word[len(self.start)]
        self._check()

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text alone, as many as the context holds; a text that spells out one of
        the frame's ids does not get it, for it would end the sentence there."""
        frame = {*self.start, *self.end}
        contents = (self._content(row) for row in self._tokenize(list(texts)).tolist())
        return [[token for token in content if token not in frame] for content in contents]

    def _alone(self, text: str) -> list[int]:
        """The ids of one text: of templates' parts, which come again with every sentence."""
        return self([text])[0]

    def framed(self, ids: Sequence[int], context: int) -> list[int]:
        """`context` ids: those given in the tokenizer's frame; they must fit."""
        row = [*self.start, *ids, *self.end]
        return row + [self.pad] * (context - len(row))

    def room(self, context: int) -> int:
        """How many ids fit into the frame."""
        return context - len(self.start) - len(self.end)

    def _content(self, row: list[int]) -> list[int]:
        ids = _without_pads(row[len(self.start) :], self.pad)
        return ids[: -len(self.end)] if ids[-len(self.end) :] == self.end else ids

    def _check(self) -> None:
        (row,) = self._tokenize([_PROBE])
        if self.framed(self([_PROBE])[0], len(row))[: len(row)] != row.tolist():
            raise InvalidInput(
                "The backbone's tokenizer does not lay out a text as start, words, end and "
                "padding, so no pseudo token can be put into it: use another backbone, or a "
                "composer that reads pictures as features (sum, slerp, product, a Combiner)."
            )


@dataclass(frozen=True)
class Prompt:
    """A template with one `$`, where the pseudo token goes, and at most one `{}`, for the text."""

    template: str
    before: str
    between: str
    after: str
    order: Order

    @classmethod
    def parse(cls, template: str) -> Prompt:
        """The prompt that a template such as "a photo of $ that {}" describes.

        Raises InvalidInput for a template without exactly one `$`, with more than one `{}`, or
        with another brace.
        """
        _check_template(template)
        left, right = template.split(PSEUDO)
        if TEXT in right:
            between, after = right.split(TEXT)
            return cls(template, left, between, after, "pseudo, text")
        if TEXT in left:
            before, between = left.split(TEXT)
            return cls(template, before, between, right, "text, pseudo")
        return cls(template, left, "", right, "pseudo")

    def tokens(self, parts: PartsTokenizer, text: str | None, context: int) -> tuple[Tensor, int]:
        """The ids of the sentence, (context,), and the position of the pseudo token in it.

        Without a text, what the template says between text and `$` and on the text's far side goes
        too: "a photo of $ that {}" is "a photo of $". Too long a text is cut at its end; the end
        of the sentence stays.

        Raises InvalidInput where the template alone is longer than the context.
        """
        import torch  # a card is read, and its prompt checked, without it

        left, right, _ = self._sides(parts, text, context)
        row = parts.framed([*left, parts.hole, *right], context)
        return torch.tensor(row), len(parts.start) + len(left)

    def cuts(self, parts: PartsTokenizer, text: str | None, context: int) -> bool:
        """Whether the text is too long to be read to its end in this sentence."""
        return self._sides(parts, text, context)[2]

    def _sides(
        self, parts: PartsTokenizer, text: str | None, context: int
    ) -> tuple[list[int], list[int], bool]:
        """What stands left and right of the pseudo token, and whether the text was cut for it."""
        before, between, after = map(parts.of_template, (self.before, self.between, self.after))
        (words,) = parts([text]) if text else ([],)
        if self.order != "pseudo" and not words:
            before, after = (before, []) if self.order == "pseudo, text" else ([], after)
            between = []
        room = parts.room(context) - 1 - len(before) - len(between) - len(after)
        if room < 0:
            raise InvalidInput(
                f'The prompt "{self.template}" leaves no room in the {context} tokens that the '
                "backbone reads: use a shorter one."
            )
        said = words[:room]
        left, right = {
            "pseudo": (before, after),
            "pseudo, text": (before, [*between, *said, *after]),
            "text, pseudo": ([*before, *said, *between], after),
        }[self.order]
        return left, right, len(said) < len(words) and self.order != "pseudo"


def _check_template(template: str) -> None:
    count = template.count(PSEUDO)
    if count != 1:
        raise InvalidInput(
            f'The prompt "{template}" has {count or "no"} places for the picture: write one $, as '
            'in "a photo of $ that {}".'
        )
    if template.count(TEXT) > 1 or set(template.replace(TEXT, "")) & set("{}"):
        raise InvalidInput(
            f'The prompt "{template}" has braces besides one place for the text: write {{}} once '
            'at most, as in "a photo of $ that {}".'
        )


def _alike(one: list[int], other: list[int]) -> int:
    """How many ids two rows begin with in common."""
    pairs = zip(one, other, strict=True)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), len(one))


def _without_pads(ids: list[int], pad: int) -> list[int]:
    end = len(ids)
    while end and ids[end - 1] == pad:
        end -= 1
    return ids[:end]
