"""What triplets say of each other: the same again, the opposite, or the other way round."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Saying:
    """A triplet as others see it; both sides by the SHA-256 of their pictures."""

    id: str
    reference: str
    caption: str
    target: str
    is_target: bool

    @property
    def words(self) -> str:
        """The caption, whatever its case and spacing."""
        return " ".join(self.caption.casefold().split()).strip(" .!")


@dataclass(frozen=True, slots=True)
class Related:
    """What others say of one triplet.

    said_again: how many say the same; opposite: whether one says that the target is not (or is)
    meant; both_ways: whether the same words lead back; same_picture: whether both sides are one.
    """

    said_again: int = 0
    opposite: bool = False
    both_ways: bool = False
    same_picture: bool = False

    @property
    def disputed(self) -> bool:
        """Whether another triplet contradicts it."""
        return self.opposite or self.both_ways

    @property
    def parts(self) -> dict[str, int | bool]:
        """As they are kept with the triplet: what is there."""
        names = ("said_again", "opposite", "both_ways", "same_picture")
        return {name: value for name in names if (value := getattr(self, name))}


def related(sayings: Iterable[Saying]) -> Mapping[str, Related]:
    """What these triplets say of each other, by id."""
    told = list(sayings)
    by_claim: dict[tuple[str, str, str], list[Saying]] = defaultdict(list)
    for one in told:
        by_claim[one.reference, one.words, one.target].append(one)
    return {one.id: _related(one, by_claim) for one in told}


def _related(one: Saying, by_claim: Mapping[tuple[str, str, str], list[Saying]]) -> Related:
    alike = by_claim[one.reference, one.words, one.target]
    back = by_claim.get((one.target, one.words, one.reference), ())
    same_picture = one.reference == one.target
    return Related(
        said_again=sum(other.is_target == one.is_target for other in alike) - 1,
        opposite=any(other.is_target != one.is_target for other in alike),
        both_ways=not same_picture and one.is_target and any(other.is_target for other in back),
        same_picture=same_picture,
    )
