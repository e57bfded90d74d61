from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.datasets.wardrobe.attributes import (
    ATTRIBUTES,
    CATEGORIES,
    COLOURS,
    CONTRASTING_PAIRS,
    FORMS,
    PATTERNS,
)
from workers.datasets.wardrobe.garments import (
    ROLES,
    Garment,
    changes,
    random_garment,
    role_of,
    variants,
)

seeds = st.integers(0, 2**32)
garments = seeds.map(lambda seed: random_garment(Random(seed)))


def differing(one: Garment, other: Garment) -> set[str]:
    first, second = one.visible(), other.visible()
    return {name for name in {*first, *second} if first.get(name) != second.get(name)}


def test_a_shop_has_ten_categories_and_room_for_variety():
    assert len(CATEGORIES) == 10
    assert len(COLOURS) >= 12
    assert len(PATTERNS) >= 8


@given(garments)
def test_only_what_can_be_seen_is_set(garment):
    form = {name for name in ("sleeves", "neckline", "length", "logo") if getattr(garment, name)}
    assert form == set(FORMS[garment.category])
    assert (garment.accent is not None) == garment.shows_accent


def test_a_plain_garment_has_no_accent_to_see():
    plain = Garment("skirt", "red", "plain", length="mini")
    assert plain.visible() == {
        "category": "skirt",
        "colour": "red",
        "pattern": "plain",
        "length": "mini",
    }


@given(garments)
def test_accent_stands_out_from_the_colour(garment):
    assert garment.accent is None or (garment.colour, garment.accent) in CONTRASTING_PAIRS


@given(garments, st.sampled_from(ATTRIBUTES))
def test_a_change_touches_one_attribute(garment, attribute):
    for look in changes(garment, attribute):
        touched = differing(garment, look)
        # The accent comes with the first pattern or logo and goes with the last.
        came_or_went = (garment.accent is None) != (look.accent is None)
        assert touched - ({"accent"} if came_or_went else set()) == {attribute}


@given(seeds)
def test_five_variants_are_distinct_and_spread_over_the_attributes(seed):
    rng = Random(seed)
    garment = random_garment(rng)
    found = variants(garment, rng)
    looks = {look.signature() for look, _ in found}
    assert len(looks) == 5
    assert garment.signature() not in looks
    repeated = [name for name, times in Counter(name for _, name in found).items() if times > 1]
    assert set(repeated) <= {"colour", "pattern"}


@given(seeds, st.sampled_from(ROLES))
def test_a_role_keeps_to_its_looks(seed, role):
    rng = Random(seed)
    garment = random_garment(rng, role)
    assert role_of(garment) == role
    assert all(role_of(look) == role for look, _ in variants(garment, rng, role=role))


@pytest.mark.parametrize(("role", "share"), [("train", 0.5), ("choose", 0.2), ("heldout", 0.3)])
def test_shares_of_the_roles(role, share):
    rng = Random(1)
    roles = [role_of(random_garment(rng)) for _ in range(4000)]
    assert roles.count(role) / len(roles) == pytest.approx(share, abs=0.03)
