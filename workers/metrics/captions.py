"""How the captions of a triplet become the text that is asked: a named part of a protocol.

FashionIQ has two captions a triplet, and papers differ in what they make of them. Those named after
a paper reproduce its strings; the others also leave out captions that are empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from backend.errors import InvalidInput

STRIPPED = ".?, "
"""What CLIP4Cir and LinCIR take off both ends of a FashionIQ caption."""

Captions = Sequence[str]


@dataclass(frozen=True)
class CaptionRule:
    """`texts` gives one text, or two whose queries are averaged: normalise(normalise(a) +
    normalise(b))."""

    name: str
    texts: Callable[[Captions], tuple[str, ...]]


def joined(captions: Captions) -> str:
    """The captions that say something, stripped, with "and" between them."""
    stripped = (caption.strip(STRIPPED) for caption in captions)
    return " and ".join(caption for caption in stripped if caption)


def _clip4cir(captions: Captions) -> str:
    """Baldrati et al. 2022: the first capitalised, an empty one not left out."""
    first, second = _two(captions)
    return f"{first.strip(STRIPPED).capitalize()} and {second.strip(STRIPPED)}"


def _spn4cir(captions: Captions) -> str:
    """Feng et al. 2024: as CLIP4Cir, without the capital."""
    first, second = _two(captions)
    return f"{first.strip(STRIPPED)} and {second.strip(STRIPPED)}"


def _lincir(captions: Captions) -> tuple[str, str]:
    """Gu et al. 2024: both orders, whose features are averaged."""
    first, second = _two(captions)
    return _spn4cir((first, second)), _spn4cir((second, first))


def _pic2word(captions: Captions) -> str:
    """Saito et al. 2023: the second caption first, nothing stripped."""
    first, second = _two(captions)
    return f"{second} and {first}"


def _two(captions: Captions) -> Captions:
    if len(captions) != 2:
        raise InvalidInput(
            f"A triplet has {len(captions)} captions and this protocol joins two: choose another "
            "protocol, or correct the captions file."
        )
    return captions


CAPTION_RULES: Mapping[str, CaptionRule] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            CaptionRule("as written", lambda captions: (captions[0],)),
            CaptionRule("second as written", lambda captions: (captions[-1],)),
            CaptionRule("first and second", lambda captions: (joined(captions),)),
            CaptionRule("second and first", lambda captions: (joined(captions[::-1]),)),
            CaptionRule(
                "both orders averaged", lambda captions: (joined(captions), joined(captions[::-1]))
            ),
            CaptionRule("clip4cir", lambda captions: (_clip4cir(captions),)),
            CaptionRule("spn4cir", lambda captions: (_spn4cir(captions),)),
            CaptionRule("lincir", _lincir),
            CaptionRule("pic2word", lambda captions: (_pic2word(captions),)),
            CaptionRule("zero", lambda captions: ("0",)),
        )
    }
)

BY_COMPOSER = "by composer"
ZERO_FOR_OBJECTS = "zero for objects"
_OF_COMPOSERS = {"phi": "both orders averaged", "im2text": "second and first"}


def caption_rule(name: str, composer: str, split: str) -> CaptionRule:
    """The rule of that name, for a kind of composer and a split.

    `by composer` is the order that the method's authors chose: LinCIR averages both, Pic2Word
    reverses, all others keep it.
    """
    if name == ZERO_FOR_OBJECTS:
        name = "zero" if split.endswith("_object") else "as written"
    if name == BY_COMPOSER:
        name = _OF_COMPOSERS.get(composer, "first and second")
    return CAPTION_RULES[name]
