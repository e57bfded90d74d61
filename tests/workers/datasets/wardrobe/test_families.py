from __future__ import annotations

import hashlib
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import InvalidInput
from workers.datasets.wardrobe import families as families_module
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


def test_a_category_that_sold_out_leaves_its_place_to_the_others(monkeypatch):
    monkeypatch.setattr(families_module, "CATEGORIES", ("skirt", "t-shirt"))
    monkeypatch.setattr(families_module, "TRIES", 20)
    source = families("train", 400)
    sold = [family.items[0].garment.category for family in source]
    assert len(set(signatures(source))) == 400 * FAMILY_SIZE
    assert "skirt" in sold
    assert set(sold[-50:]) == {"t-shirt"}


def test_more_products_than_there_are_looks_is_told(monkeypatch):
    monkeypatch.setattr(families_module, "CATEGORIES", ("skirt",))
    monkeypatch.setattr(families_module, "TRIES", 3)
    told = r"not enough different looks: after \d+ families .*, \d+ products.*Ask for fewer items"
    with pytest.raises(InvalidInput, match=told):
        families("heldout", 10_000)


def test_the_families_that_the_shipped_weights_know_are_drawn_the_same_today():
    source = [*families("train", 60), *families("choose", 20, 5), *families("heldout", 20, 1)]
    told = hashlib.sha256(repr((source, triplets(source, "train"))).encode()).hexdigest()
    assert told[:16] == "c136454b49a68d5e"


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
