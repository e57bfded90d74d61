from __future__ import annotations

import os
import re
import subprocess
import sys
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.datasets.wardrobe import words
from workers.datasets.wardrobe.attributes import CATEGORIES, COLOURS, FORMS, PATTERNS
from workers.datasets.wardrobe.captions import (
    describe,
    describe_attributes,
    phrase_for,
    relative,
    title,
)
from workers.datasets.wardrobe.garments import ROLES, Garment, Role, random_garment, variants
from workers.datasets.wardrobe.templates import DESCRIBE, MENTION, RELATIVE

seeds = st.integers(0, 2**32)
TEE = Garment("t-shirt", "red", "plain", None, "short", "crew", "regular", "none")


def wordings(category: str, attribute: str, value: str) -> set[str]:
    """All words for a value, its accent colour left out."""
    if attribute == "category":
        named = [nouns for (of, _, _), nouns in words.NAMED.items() if of == value]
        return {noun.lower() for nouns in (words.NOUN[value], *named) for noun in nouns}
    if attribute == "colour":
        return set(words.COLOUR[value])
    key = (attribute, value)
    phrases = words.BY_CATEGORY.get((category, *key)) or words.PHRASE[key]
    bare = {re.sub(r"^an? ", "", phrase.replace("{c} ", "")) for phrase in phrases}
    named_looks = words.NAMED.get((category, *key), ())
    return {text.lower() for text in (*bare, *words.ADJECTIVE.get(key, ()), *named_looks)}


def says(caption: str, garment: Garment, attribute: str, value: str) -> bool:
    known = words.COLOUR[value] if attribute == "accent" else None
    told = known or wordings(garment.category, attribute, value)
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", caption.lower()) for word in told)


@given(seeds, st.sampled_from(ROLES))
def test_a_caption_mentions_what_it_claims_and_claims_what_can_be_seen(seed, role):
    rng = Random(seed)
    garment = random_garment(rng)
    caption, claims = describe_attributes(garment, rng, role)
    assert claims
    assert claims <= set(garment.visible().items())
    assert all(says(caption, garment, name, value) for name, value in claims)


@given(seeds)
def test_a_description_tells_the_category_and_the_colour(seed):
    rng = Random(seed)
    garment = random_garment(rng)
    caption = describe(garment, rng)
    assert says(caption, garment, "category", garment.category)
    assert says(caption, garment, "colour", garment.colour)


@given(seeds, st.sampled_from(ROLES))
def test_a_relative_caption_tells_all_that_changes(seed, role):
    rng = Random(seed)
    garment = random_garment(rng)
    for target, _ in variants(garment, rng):
        caption = relative(garment, target, rng, role)
        before = garment.visible()
        for name, value in target.visible().items():
            assert before.get(name) == value or says(caption, target, name, value), caption


def test_a_first_pattern_brings_its_colour_into_the_words():
    dotted = Garment("t-shirt", "red", "polka dots", "white", "short", "crew", "regular", "none")
    for seed in range(50):
        caption = relative(TEE, dotted, Random(seed)).lower()
        assert any(word in caption for word in words.COLOUR["white"])


def test_longer_is_said_only_where_one_length_is_longer():
    def lengths(start: str, end: str) -> set[str]:
        before, after = (Garment("skirt", "red", "plain", length=name) for name in (start, end))
        return {relative(before, after, Random(seed)).lower() for seed in range(200)}

    assert any("longer" in caption for caption in lengths("knee-length", "maxi"))
    assert not any("longer" in caption for caption in lengths("mini", "maxi"))


def test_titles_read_like_a_shop():
    starred = Garment("t-shirt", "orange", "striped", "white", "short", "v-neck", "long", "star")
    assert title(starred, Random(0)) in {
        "Orange and white striped short-sleeved v-neck long T-shirt with a star",
        "Orange and white striped short-sleeved v-neck long tee with a star",
    }


def test_phrases_know_how_they_join_a_sentence():
    assert phrase_for(TEE, "colour", Random(0)).kind == "colour"
    kinds = {phrase_for(TEE, "sleeves", Random(seed)).kind for seed in range(20)}
    assert kinds == {"adjective", "noun"}


def frames(role: Role) -> set[str]:
    """Every frame of a role, blind to which slot it has and to case and full stops."""
    kinds = (*MENTION[role].values(), *RELATIVE[role].values(), DESCRIBE[role])
    return {
        re.sub(r"\{(?!old)\w+\}", "_", frame).lower().strip(" ?.!")
        for kind in kinds
        for frame in kind
    }


def test_no_sentence_frame_serves_two_roles():
    train, choose, heldout = (frames(role) for role in ROLES)
    assert not train & choose
    assert not train & heldout
    assert not choose & heldout


@pytest.mark.parametrize("category", CATEGORIES)
def test_no_word_means_two_values_of_one_attribute(category):
    domains = {"colour": tuple(COLOURS), "pattern": PATTERNS, **FORMS[category]}
    for attribute, values in domains.items():
        told = [word for value in values for word in wordings(category, attribute, value)]
        assert len(told) == len(set(told)), attribute


def test_captions_do_not_depend_on_the_hash_seed():
    code = (
        "from random import Random\n"
        "from workers.datasets.wardrobe.families import families, triplets\n"
        "from workers.datasets.wardrobe.captions import describe_attributes\n"
        "source = families('train', 4)\n"
        "for t in triplets(source, 'train'):\n"
        "    print(t.caption, describe_attributes(t.target.garment, Random(1))[0])\n"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1
