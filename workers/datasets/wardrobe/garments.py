"""A garment as the attributes one can see, and the garments one visible attribute away from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Literal, Self

from workers.datasets.wardrobe.attributes import (
    ATTRIBUTES,
    CATEGORIES,
    COLOURS,
    CONTRASTING,
    CONTRASTING_PAIRS,
    FORMS,
    PATTERNS,
)

Role = Literal["train", "choose", "heldout"]
ROLES: tuple[Role, ...] = ("train", "choose", "heldout")


@dataclass(frozen=True)
class Garment:
    """One look. An attribute is None where it cannot be seen: no neckline on a skirt, and no
    accent colour on a plain garment without a logo. `logo="none"` is a place left empty."""

    category: str
    colour: str
    pattern: str
    accent: str | None = None
    sleeves: str | None = None
    neckline: str | None = None
    length: str | None = None
    logo: str | None = None

    def visible(self) -> dict[str, str]:
        """What can be seen, by name; two garments look different if and only if these differ."""
        seen = {"category": self.category}
        for attribute in ATTRIBUTES:
            value: str | None = getattr(self, attribute)
            if value is not None:
                seen[attribute] = value
        return seen

    def signature(self) -> str:
        """The visible attributes as one string, the identity of a look."""
        return "|".join(f"{name}={value}" for name, value in self.visible().items())

    def but(self, **changed: str | None) -> Self:
        """The same look with these attributes changed."""
        # Not dataclasses.replace, which takes five times as long: a catalogue asks for millions.
        look = object.__new__(type(self))
        look.__dict__.update(self.__dict__, **changed)
        return look

    @property
    def shows_accent(self) -> bool:
        """Whether anything on it is drawn in the accent colour."""
        return self.pattern != "plain" or self.logo not in (None, "none")


@lru_cache(maxsize=100_000)
def role_of(garment: Garment) -> Role:
    """The one role whose sets may hold this look: half of all looks train, a fifth choose
    settings, the rest are held out."""
    digest = hashlib.blake2b(garment.signature().encode(), digest_size=2).digest()
    share = int.from_bytes(digest, "big") / 65536
    if share < 0.5:
        return "train"
    return "choose" if share < 0.7 else "heldout"


def random_garment(rng: Random, role: Role | None = None, category: str | None = None) -> Garment:
    """A random look, of one role or category where they are given."""
    while True:
        garment = _random_look(rng, category or rng.choice(CATEGORIES))
        if role is None or role_of(garment) == role:
            return garment


def _random_look(rng: Random, category: str) -> Garment:
    colour = rng.choice(tuple(COLOURS))
    pattern = "plain" if rng.random() < 0.25 else rng.choice(PATTERNS[1:])
    form = {name: rng.choice(values) for name, values in FORMS[category].items()}
    if "logo" in form and rng.random() < 0.4:
        form["logo"] = "none"
    bare = Garment(category, colour, pattern, **form)
    return bare.but(accent=rng.choice(CONTRASTING[colour])) if bare.shows_accent else bare


@lru_cache(maxsize=10_000)
def changes(garment: Garment, attribute: str) -> tuple[Garment, ...]:
    """All looks that differ from `garment` in this attribute alone, by its wearer's account.

    An accent comes with the first pattern or logo and goes with the last.
    """
    if attribute == "colour":
        return tuple(garment.but(colour=new) for new in _other_colours(garment))
    if attribute == "accent":
        return tuple(garment.but(accent=new) for new in _other_accents(garment))
    values = PATTERNS if attribute == "pattern" else FORMS[garment.category].get(attribute, ())
    return tuple(
        look
        for value in values
        if value != getattr(garment, attribute)
        for look in _with_accent(garment.but(**{attribute: value}))
    )


def _other_colours(garment: Garment) -> Iterator[str]:
    for colour in COLOURS:
        fits = garment.accent is None or (colour, garment.accent) in CONTRASTING_PAIRS
        if colour != garment.colour and fits:
            yield colour


def _other_accents(garment: Garment) -> list[str]:
    if garment.accent is None:
        return []
    return [colour for colour in CONTRASTING[garment.colour] if colour != garment.accent]


def _with_accent(look: Garment) -> list[Garment]:
    if not look.shows_accent:
        return [look.but(accent=None)]
    if look.accent is None:
        return [look.but(accent=accent) for accent in CONTRASTING[look.colour]]
    return [look]


def changeable(garment: Garment) -> list[str]:
    """The attributes that could be changed on this garment."""
    names = ["colour", "pattern"] + (["accent"] if garment.accent else [])
    return names + [name for name, values in FORMS[garment.category].items() if len(values) > 1]


def variants(
    garment: Garment, rng: Random, count: int = 5, role: Role | None = None
) -> list[tuple[Garment, str]]:
    """Distinct looks one attribute away, each with that attribute's name: every attribute once
    before any twice. Fewer than `count` only where `role` leaves an attribute no value."""
    found: list[tuple[Garment, str]] = []
    taken = {garment}
    for attribute in _plan(garment, rng, count):
        looks = [look for look in changes(garment, attribute) if look not in taken]
        if role is not None:
            looks = [look for look in looks if role_of(look) == role]
        if not looks:
            break
        found.append((rng.choice(looks), attribute))
        taken.add(found[-1][0])
    return found


def _plan(garment: Garment, rng: Random, count: int) -> list[str]:
    names = changeable(garment)
    rng.shuffle(names)
    plan = names[:count]
    while len(plan) < count:
        plan.append(rng.choice(("colour", "pattern")))
    # Those with the fewest values first: they are the likeliest to fail, and then soonest.
    return sorted(plan, key=lambda name: len(changes(garment, name)))
