"""Families of one garment and five variants, and the triplets from the garment to each variant."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import permutations
from random import Random

from backend.errors import InvalidInput
from workers.datasets.wardrobe.attributes import CATEGORIES
from workers.datasets.wardrobe.captions import relative, title
from workers.datasets.wardrobe.garments import Garment, Role, random_garment, variants

VARIANTS = 5
FAMILY_SIZE = VARIANTS + 1
CURRENCY = "EUR"
# Draws in a row without a new family, after which a category counts as sold out. The hardest family
# of any 500 of the scarcest role took 463.
TRIES = 1_000

# What one may ask for the plainest piece and for the dearest, in whole euros.
_PRICES = {
    "dress": (29, 149),
    "hat": (9, 45),
    "longsleeve": (15, 69),
    "outwear": (49, 249),
    "pants": (25, 119),
    "shirt": (19, 89),
    "shoes": (29, 189),
    "shorts": (15, 59),
    "skirt": (19, 89),
    "t-shirt": (7, 39),
}


@dataclass(frozen=True)
class Item:
    """One product of the shop: a look, the seed its picture is drawn with, and its price tag."""

    sku: str
    garment: Garment
    seed: int
    title: str
    price: Decimal
    currency: str
    role: Role


@dataclass(frozen=True)
class Family:
    """A base garment first, then its variants; `changed[i]` is the attribute of `items[i + 1]`."""

    items: tuple[Item, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Triplet:
    """A reference, the target the words lead to, and the change said twice in different words."""

    reference: Item
    target: Item
    caption: str
    second_caption: str


def families(role: Role, count: int, seed: int = 0) -> list[Family]:
    """`count` families of one role, as a list; see `each_family`."""
    return list(each_family(role, count, seed))


def each_family(role: Role, count: int, seed: int = 0) -> Iterator[Family]:
    """`count` families of one role, the same for the same seed; a longer row only adds to a
    shorter one. No look occurs twice in it, nor in any family of another role.

    From some 20,000 products on, the categories with the fewest looks sell out one by one and the
    others fill their place. Raises InvalidInput when all have sold out.
    """
    rng = Random(f"wardrobe families {role} {seed}")
    seen: set[Garment] = set()
    categories = list(CATEGORIES)
    for number in range(count):
        family = None
        while family is None:
            if not categories:
                raise InvalidInput(_sold_out(role, number))
            # The category first: those with few values per attribute fail oftener, not come rarer.
            category = rng.choice(categories)
            family = _family(role, category, rng, seen)
            if family is None:
                categories.remove(category)
        seen.update(item.garment for item in family.items)
        yield family


def triplets(
    source: list[Family], role: Role, seed: int = 0, *, all_pairs: bool = False
) -> list[Triplet]:
    """From each family's base to each of its variants, told in the templates of `role`; or, with
    all_pairs, from each of its garments to each other, which differ in two attributes or one."""
    rng = Random(f"wardrobe triplets {role} {seed}")
    found: list[Triplet] = []
    for family in source:
        base, *others = family.items
        pairs = permutations(family.items, 2) if all_pairs else ((base, one) for one in others)
        for reference, target in pairs:
            first = relative(reference.garment, target.garment, rng, role)
            second = first
            while second.lower().strip(".!?") == first.lower().strip(".!?"):
                second = relative(reference.garment, target.garment, rng, role)
            found.append(Triplet(reference, target, first, second))
    return found


def _family(role: Role, category: str, rng: Random, seen: set[Garment]) -> Family | None:
    """A family of looks never seen; None when the category has hardly any left."""
    for _ in range(TRIES):
        base = random_garment(rng, role, category)
        others = variants(base, rng, VARIANTS, role)
        looks = [base, *(look for look, _ in others)]
        if len(looks) == FAMILY_SIZE and seen.isdisjoint(looks):
            items = tuple(_item(look, role, rng) for look in looks)
            return Family(items, tuple(attribute for _, attribute in others))
    return None


def _sold_out(role: Role, made: int) -> str:
    return (
        f"There are not enough different looks: after {made} families of the {role} role, "
        f"{made * FAMILY_SIZE} products, all have been used. Ask for fewer items."
    )


def _item(garment: Garment, role: Role, rng: Random) -> Item:
    low, high = _PRICES[garment.category]
    euros = low + int((high - low) * rng.random() ** 2)
    cents = rng.choice(("00", "50", "90", "95", "99"))
    return Item(
        sku=_sku(garment),
        garment=garment,
        seed=rng.randrange(2**31),
        title=title(garment, rng),
        price=Decimal(f"{euros}.{cents}"),
        currency=CURRENCY,
        role=role,
    )


def _sku(garment: Garment) -> str:
    digest = hashlib.blake2b(garment.signature().encode(), digest_size=5).digest()
    return f"{garment.category[:3].upper()}-{base64.b32encode(digest).decode()}".replace(
        "T-S", "TEE"
    )
