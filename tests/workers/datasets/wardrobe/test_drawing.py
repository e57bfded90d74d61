from __future__ import annotations

from random import Random

import numpy as np
import pytest

from workers.datasets.wardrobe.attributes import CATEGORIES, LOGOS
from workers.datasets.wardrobe.drawing import draw
from workers.datasets.wardrobe.garments import Garment, changeable, changes, random_garment


def pixels(garment: Garment, seed: int = 7, size: int = 112) -> np.ndarray:
    return np.asarray(draw(garment, seed, size), np.int16)


@pytest.mark.parametrize("size", [32, 112, 300])
def test_a_picture_is_rgb_and_as_large_as_asked(size):
    picture = draw(random_garment(Random(0)), 1, size)
    assert (picture.mode, picture.size) == ("RGB", (size, size))


def test_same_seed_same_picture_and_another_seed_another_pose():
    garment = random_garment(Random(3))
    assert draw(garment, 5).tobytes() == draw(garment, 5).tobytes()
    assert draw(garment, 5).tobytes() != draw(garment, 6).tobytes()


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_visible_attribute_can_be_seen(category):
    """Same seed, one attribute changed: the garment's own pixels change, and clearly so."""
    rng = Random(category)
    for _ in range(4):
        garment = random_garment(rng, category=category)
        before = pixels(garment)
        for attribute in changeable(garment):
            look = rng.choice(changes(garment, attribute))
            clearly = (np.abs(pixels(look) - before).max(axis=2) > 20).mean()
            assert clearly > 0.003, (garment, look)


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_garment_stands_within_its_picture(category):
    rng = Random(category)
    for seed in range(8):
        picture = pixels(random_garment(rng, category=category), seed)
        border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert border.min() > 130  # the studio's wall and a soft shadow, never cloth


def test_colour_is_what_it_says():
    red = Garment("skirt", "red", "plain", length="maxi")
    middle = pixels(red)[56, 56]
    assert middle[0] > 2 * max(middle[1], middle[2])


def test_logos_differ_from_each_other():
    tees = [
        Garment("t-shirt", "white", "plain", accent, "short", "crew", "regular", logo)
        for logo, accent in [(logo, None if logo == "none" else "black") for logo in LOGOS]
    ]
    assert len({draw(tee, 1).tobytes() for tee in tees}) == len(LOGOS)
