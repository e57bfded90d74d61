from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.datasets.wardrobe.attributes import CATEGORIES
from workers.datasets.wardrobe.families import FAMILY_SIZE, Family, families, triplets
from workers.datasets.wardrobe.garments import ROLES, changes, role_of


def signatures(source: list[Family]) -> list[str]:
    return [item.garment.signature() for family in source for item in family.items]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(ROLES))
def test_every_product_of_a_gallery_looks_different(seed, role):
    source = families(role, 20, seed)
    looks = signatures(source)
    assert len(looks) == 20 * FAMILY_SIZE
    assert len(set(looks)) == len(looks)
    assert all(role_of(item.garment) == role for family in source for item in family.items)


def test_roles_share_no_look():
    train, choose, heldout = (set(signatures(families(role, 80))) for role in ROLES)
    assert not train & choose
    assert not train & heldout
    assert not choose & heldout


def test_variants_are_one_attribute_from_the_base():
    for family in families("train", 20):
        base, *others = (item.garment for item in family.items)
        assert all(
            look in changes(base, name) for look, name in zip(others, family.changed, strict=True)
        )


def test_same_seed_same_families_and_a_longer_list_begins_the_same():
    assert families("choose", 12, 3) == families("choose", 12, 3)
    assert families("choose", 12, 3)[:5] == families("choose", 5, 3)
    assert families("choose", 5, 3) != families("choose", 5, 4)


def test_all_categories_are_on_offer():
    sold = {family.items[0].garment.category for family in families("heldout", 80)}
    assert sold == set(CATEGORIES)


def test_price_tags_and_stock_numbers():
    items = [item for family in families("train", 60) for item in family.items]
    assert len({item.sku for item in items}) == len(items)
    assert all(Decimal(5) < item.price < Decimal(300) and item.currency == "EUR" for item in items)


@pytest.mark.parametrize("role", ROLES)
def test_triplets_lead_from_the_base_to_each_variant_in_two_wordings(role):
    source = families(role, 10)
    found = triplets(source, role)
    assert [(t.reference, t.target) for t in found] == [
        (family.items[0], target) for family in source for target in family.items[1:]
    ]
    assert all(t.caption != t.second_caption for t in found)
    assert found == triplets(source, role)
