"""What is found of one part of an installation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from backend.settings import Settings


@dataclass(frozen=True)
class Finding:
    """One part of the setup: whether it is good, a sentence, and what else is to be said.

    Attributes:
        doubtful: whether it is good only if it is meant to be so.
    """

    part: str
    good: bool
    sentence: str
    details: tuple[str, ...] = ()
    doubtful: bool = False

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


class Doubtful(str):
    """A sentence about what is good only if it is meant to be so."""

    __slots__ = ()


Check = Callable[[Settings], str]
"""Looks at one part: what is good about it, in a sentence; raises AkinError where it is not."""
