"""Feedback as it comes: right triplets of a drawn Wardrobe with wrong ones among them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, get_args

from workers.datasets.triplets import Triplet

Kind = Literal["right", "random target", "swapped", "another's caption", "sibling"]
WRONG: tuple[Kind, ...] = get_args(Kind)[1:]
"""A target by chance; reference and target swapped; the words of another query; another garment of
the same family, which differs from the target in one or two attributes."""


@dataclass(frozen=True)
class Planted:
    """What a shopper is made to say, by SKU, and what is wrong with it."""

    reference: str
    caption: str
    target: str
    kind: Kind = "right"


def planted(
    truth: Sequence[Triplet], skus: Sequence[str], seed: str, count: int, share: float = 0.15
) -> list[Planted]:
    """`count` triplets of the truth, a share of them made wrong, each kind as often."""
    rng = Random(f"planted {seed}")
    chosen = rng.sample(list(truth), count)
    siblings: dict[str, list[str]] = defaultdict(list)
    for one in truth:
        siblings[one.reference].append(str(one.target))
    wrong = set(rng.sample(range(count), round(share * count)))
    kinds = iter(WRONG * count)
    said = []
    for number, one in enumerate(chosen):
        right = Planted(one.reference, one.captions[0], str(one.target))
        if number not in wrong:
            said.append(right)
            continue
        others = [sku for sku in siblings[right.reference] if sku != right.target]
        said.append(_spoiled(right, next(kinds), rng, truth, skus, others))
    return said


def _spoiled(
    right: Planted,
    kind: Kind,
    rng: Random,
    truth: Sequence[Triplet],
    skus: Sequence[str],
    siblings: Sequence[str],
) -> Planted:
    reference, caption, target = right.reference, right.caption, right.target
    if kind == "swapped":
        reference, target = target, reference
    elif kind == "another's caption":
        caption = rng.choice([one.captions[0] for one in truth if one.captions[0] != caption])
    elif kind == "sibling" and siblings:
        target = rng.choice(siblings)
    else:
        kind = "random target"
        target = rng.choice([sku for sku in skus if sku not in (reference, target)])
    return Planted(reference, caption, target, kind)
