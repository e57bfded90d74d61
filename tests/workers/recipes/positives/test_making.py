from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from backend.errors import InvalidInput
from workers.captioning.captions import Captions
from workers.recipes.positives.duplicates import Distinct
from workers.recipes.positives.formats import read_pairs
from workers.recipes.positives.making import make_triplets
from workers.recipes.positives.schema import PositivesParams
from workers.trainer.features import CachedFeatures

NAMES = tuple("abcdefghijkl")


def never():
    return False


def no_cut(texts):
    return [False] * len(texts)


@pytest.fixture
def pictures(tmp_path):
    for number, name in enumerate(NAMES):
        Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(tmp_path / f"{name}.png")
    return {name: tmp_path / f"{name}.png" for name in NAMES}


@pytest.fixture
def features():
    array = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
    return CachedFeatures(NAMES, {"o": "its features are zero"}, array, np.arange(12))


def captions_of(names=NAMES):
    return Captions({name: f"thing {name}" for name in names}, {"z": "nobody knows it"})


def make(
    pictures, features, out, captions=None, cancelled=never, calls=None, references=None, **params
):
    return make_triplets(
        Distinct(pictures, {"m": "a"}, {"n": "it is damaged"}),
        captions or captions_of(),
        features,
        PositivesParams(**params),
        out,
        lambda *call: None if calls is None else calls.append(call),
        cancelled,
        cut=no_cut,
        references=references,
    )


def test_every_picture_becomes_a_reference(pictures, features, tmp_path):
    summary = make(pictures, features, tmp_path / "out", targets=2)
    pairs = read_pairs(tmp_path / "out/captions/cap.extend_akin.train.json")
    assert [pair.reference for pair in pairs] == [name for name in NAMES for _ in range(2)]
    assert pairs[0].captions[1] == f"Unlike thing a, I want thing {pairs[0].target}"
    assert (summary.gallery, summary.references, summary.triplets) == (12, 12, 24)
    assert summary.band == (4, 9)
    assert (tmp_path / "out/review/review-001.html").is_file()


def test_targets_lie_in_the_band_of_those_that_are_left(pictures, features, tmp_path):
    """Brute force, with two pictures without captions, and features in another order."""
    stored_at = np.random.default_rng(1).permutation(12)
    stored = np.empty_like(features.stored)
    stored[stored_at] = features.stored
    other = CachedFeatures(NAMES, {}, stored, stored_at)
    left = [name for name in NAMES if name not in "cf"]
    summary = make(pictures, other, tmp_path / "out", captions_of(left), targets=3)
    assert (summary.gallery, summary.band) == (10, (4, 7))
    found: dict[str, set[str]] = {}
    for pair in read_pairs(tmp_path / "out/captions/cap.extend_akin.train.json"):
        found.setdefault(pair.reference, set()).add(pair.target)
    units = features.array / np.linalg.norm(features.array, axis=1, keepdims=True)
    similarity = dict(zip(NAMES, units @ units.T, strict=True))
    for name in left:
        others = [other for other in left if other != name]
        others.sort(key=lambda other: -similarity[name][NAMES.index(other)])
        assert found[name] == set(others[4:7])


def test_the_summary_names_everything_that_was_left_out(pictures, features, tmp_path):
    summary = make(pictures, features, tmp_path / "out")
    told = json.loads((tmp_path / "out/summary.json").read_text())
    assert told["duplicates"] == {"m": "a"}
    assert told["unreadable"] == {"n": "it is damaged", "o": "its features are zero"}
    assert told["without_caption"] == {"z": "nobody knows it"}
    assert (told["stopped"], told["protocol"], told["triplets"]) == ("done", "default", 12)
    assert summary.sentence() == (
        "12 new triplets of 12 references among 12 pictures, ranks 4 to 9; left out: 1 duplicates, "
        "0 missing, 2 unreadable, 1 without a caption, 0 pairs with the same caption."
    )


def test_existing_references_only_each_once_through_its_duplicate_too(pictures, features, tmp_path):
    summary = make(pictures, features, tmp_path / "out", references=["b", "m", "a", "b", "gone"])
    pairs = read_pairs(tmp_path / "out/captions/cap.extend_akin.train.json")
    assert [pair.reference for pair in pairs] == ["b", "a"]
    assert summary.references == 2


def test_progress_counts_triplets(pictures, features, tmp_path):
    calls: list[tuple[str, int, int]] = []
    make(pictures, features, tmp_path / "out", calls=calls)
    assert calls[-1] == ("triplets", 12, 12)


def test_a_cancelled_run_leaves_the_triplets_of_before(pictures, features, tmp_path):
    make(pictures, features, tmp_path / "out", seed=1)
    files = sorted((tmp_path / "out/captions").iterdir())
    before = [path.read_bytes() for path in files]
    summary = make(pictures, features, tmp_path / "out", cancelled=lambda: True, seed=2)
    assert (summary.stopped, summary.triplets, summary.files) == ("cancelled", 0, [])
    assert [path.read_bytes() for path in files] == before
    assert len(list((tmp_path / "out/captions").iterdir())) == 2


def test_so_many_for_review(pictures, features, tmp_path):
    make(pictures, features, tmp_path / "out", review_pairs=3)
    sheet = (tmp_path / "out/review/review-001.html").read_text()
    assert sheet.count('type="checkbox"') == 3


def test_pictures_without_any_caption_are_told(pictures, features, tmp_path):
    none = Captions({}, {"a": "the model said nothing about it"})
    with pytest.raises(InvalidInput, match="No picture has a caption, a because the model said"):
        make(pictures, features, tmp_path / "out", none)


def test_too_few_pictures_are_told(pictures, features, tmp_path):
    with pytest.raises(InvalidInput, match="Of 1 different images each has 0 others, too few"):
        make(pictures, features, tmp_path / "out", captions_of("a"))


def test_the_published_band_needs_its_many_images(pictures, features, tmp_path):
    with pytest.raises(InvalidInput, match="11 others, too few for 1 of the ranks 9,999 to 19,999"):
        make(pictures, features, tmp_path / "out", protocol="published:fashioniq")


def test_nothing_to_change_anywhere_is_told(pictures, features, tmp_path):
    same = Captions(dict.fromkeys(NAMES, "a thing"))
    with pytest.raises(InvalidInput, match="No new triplet came out"):
        make(pictures, features, tmp_path / "out", same)
    assert not list((tmp_path / "out/captions").iterdir())


def test_no_reference_among_the_pictures_is_told(pictures, features, tmp_path):
    with pytest.raises(InvalidInput, match="No new triplet came out: there is no reference"):
        make(pictures, features, tmp_path / "out", references=["gone"])
