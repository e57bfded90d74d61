"""New triplets from beginning to end: real pictures, the shipped backbone, every source's way."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.encoding.backbone import Backbone, BackboneSpec, load_backbone
from backend.errors import InvalidInput
from tests.workers.captioning.endpoint_server import serving, told
from workers.datasets import cirr, fashioniq, image_folder
from workers.datasets.wardrobe.dataset import write_dataset
from workers.recipes.positives.formats import read_pairs
from workers.recipes.positives.rank_bands import fraction_band
from workers.recipes.positives.schema import PositivesParams
from workers.recipes.spn_positives import Surroundings, accept, spn_positives
from workers.trainer.features import FeatureCache

EXTENDED = "captions/cap.extend_akin.train.json"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wardrobe") / "shop"
    write_dataset(folder, 60, seed=2, size=64)
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def around(root):
    return Surroundings(FeatureCache(root / "features"), root / "captions.jsonl")


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(BackboneSpec(), "cpu", threads=1)


def make(data, out, around, **params):
    return spn_positives(data, PositivesParams(**params), out, around)


def test_a_wardrobe_gives_triplets_of_its_training_pictures_only(shop, tmp_path, around):
    summary = make(shop, tmp_path, around)
    pairs = read_pairs(tmp_path / EXTENDED)
    with (shop / "products.csv").open(encoding="utf-8") as file:
        lines = [line.split(",") for line in file]
    train = {line[0] for line in lines if "train" in line}
    assert {pair.reference for pair in pairs} == train
    assert {pair.target for pair in pairs} <= train
    assert (summary.gallery, summary.triplets) == (36, 36)


def test_the_sentences_are_made_of_the_titles(shop, tmp_path, around):
    make(shop, tmp_path, around)
    titles = {
        row["image_id"]: row["caption"]
        for row in json.loads((tmp_path / "captions.json").read_text())
    }
    for pair in read_pairs(tmp_path / EXTENDED):
        reference, target = titles[pair.reference], titles[pair.target]
        assert pair.captions == (
            f"{target} instead of {reference}",
            f"Unlike {reference}, I want {target}",
            target,
        )


def test_targets_lie_in_the_band_by_brute_force(shop, tmp_path, around, backbone):
    make(shop, tmp_path, around, targets=3, low=0.5, high=0.7)
    pairs = read_pairs(tmp_path / EXTENDED)
    names = sorted({pair.reference for pair in pairs})
    see = backbone.preprocessing
    pixels = [see.pixels(Image.open(shop / f"images/{name}.jpg")) for name in names]
    features = backbone.encode_images(np.stack(pixels)).astype(np.float64)
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    similarity = units @ units.T
    band = fraction_band(36, 0.5, 0.7)
    for pair in pairs:
        row, target = names.index(pair.reference), names.index(pair.target)
        above = similarity[row] - similarity[row, target]
        surely, perhaps = np.sum(above > 1e-5) - 1, np.sum(above > -1e-5) - 2
        assert surely < band.stop
        assert perhaps >= band.first


def test_a_sentence_beyond_the_context_is_the_targets_caption(shop, tmp_path, around, backbone):
    """Every other caption is so long that no sentence with it can be read."""
    names = sorted(path.stem for path in (shop / "images").iterdir())
    long = " ".join(["very"] * backbone.context_length)
    rows = [
        {"image_id": name, "caption": f"{long} {name}" if number % 2 else name}
        for number, name in enumerate(names)
    ]
    (tmp_path / "own.json").write_text(json.dumps(rows))
    make(shop, tmp_path, around, captions="file", caption_file=tmp_path / "own.json")
    found: Counter[bool] = Counter()
    for pair in read_pairs(tmp_path / EXTENDED):
        short = long not in (pair.reference_caption + pair.target_caption)
        whole = f"{pair.target_caption} instead of {pair.reference_caption}"
        assert pair.captions[0] == (whole if short else pair.target_caption)
        found[short] += 1
    assert min(found[True], found[False]) > 3


def test_existing_references_only(shop, tmp_path, around):
    triplets = fashioniq.load(shop, "train", ["wardrobe"])[0].triplets
    make(shop, tmp_path, around, references="existing", targets=2)
    counts = Counter(pair.reference for pair in read_pairs(tmp_path / EXTENDED))
    assert counts == dict.fromkeys({one.reference for one in triplets}, 2)


def test_both_files_are_read_by_the_datasets_readers(shop, tmp_path, around):
    """FashionIQ's beside the shop's own captions; CIRR's in a folder as CIRR has it."""
    data = tmp_path / "shop"
    shutil.copytree(shop, data)
    make(data, data, around)
    (split,) = fashioniq.load(data, "train", ["extend_akin"])
    assert len(split.usable) == 36
    assert all(len(one.captions) == 3 for one in split.triplets)
    names = json.loads((data / "image_splits/split.wardrobe.train.json").read_text())
    listed = {name: f"./train/{name}.jpg" for name in names}
    (data / "image_splits/split.rc2.train.json").write_text(json.dumps(listed))
    (data / "images").rename(data / "train")
    (other,) = cirr.load(data, "train", "extend_akin")
    told = [(one.reference, one.target, one.captions) for one in split.triplets]
    assert [(one.reference, one.target, one.captions) for one in other.triplets] == told


def test_the_same_settings_make_the_same_files(shop, tmp_path, around):
    make(shop, tmp_path / "1", around)
    make(shop, tmp_path / "2", around)
    make(shop, tmp_path / "3", around, seed=7)
    one, two, three = ((tmp_path / name / EXTENDED).read_bytes() for name in "123")
    assert one == two
    assert one != three


def test_duplicates_are_taken_once_and_named(shop, tmp_path, around):
    data = tmp_path / "shop"
    shutil.copytree(shop, data)
    names = json.loads((data / "image_splits/split.wardrobe.train.json").read_text())
    shutil.copy(data / f"images/{names[0]}.jpg", data / f"images/{names[1]}.jpg")
    with Image.open(data / f"images/{names[0]}.jpg") as image:
        image.save(data / f"images/{names[2]}.png")
    (data / f"images/{names[2]}.jpg").unlink()
    (data / f"images/{names[3]}.jpg").write_bytes(b"no picture")
    (data / f"images/{names[4]}.jpg").unlink()
    summary = make(data, tmp_path / "out", around)
    assert summary.duplicates == {names[1]: names[0], names[2]: names[0]}
    assert list(summary.unreadable) == [names[3]]
    assert summary.missing == (names[4],)
    assert summary.gallery == 32


def test_an_exported_catalogue(shop, tmp_path, around):
    """As `akin export` writes it: pictures by their hash, products in JSON lines."""
    (tmp_path / "images").mkdir()
    rows: list[dict[str, Any]] = [
        {"akin_attributes": [{"slug": "colour", "label": "Colour", "kind": "keyword"}]}
    ]
    for number, path in enumerate(sorted((shop / "images").iterdir())[:20]):
        shutil.copy(path, tmp_path / f"images/{number:064}.jpg")
        split = "test" if number > 15 else "train"
        images = [f"images/{number:064}.jpg"]
        row = {"sku": path.stem, "title": f"Thing {number}", "split": split, "images": images}
        rows.append(row)
    (tmp_path / "products.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    make(tmp_path, tmp_path / "out", around)
    pairs = read_pairs(tmp_path / "out" / EXTENDED)
    assert len(pairs) == 16
    told = {row["sku"]: row["title"] for row in rows[1:]}
    assert all(pair.reference_caption == told[pair.reference] for pair in pairs)


def test_an_endpoint_is_asked_with_the_products_category_once_a_picture(shop, tmp_path, around):
    with serving() as endpoint:
        endpoint.answer = lambda question, before: told(f"Thing {before}.")
        given = {"captions": "endpoint", "endpoint_url": endpoint.url, "endpoint_model": "llava"}
        summary = make(shop, tmp_path / "1", around, **given, words=5)
        again = make(shop, tmp_path / "2", around, **given, words=5, seed=1)
    assert summary.triplets == again.triplets == 36
    prompts = {question.prompt for question in endpoint.questions}
    assert "please briefly describe the hat in 5 words" in prompts
    assert all(prompt.startswith("please briefly describe the ") for prompt in prompts)
    assert not any(" the image " in prompt for prompt in prompts)
    assert len(endpoint.questions) == 36


def test_a_folder_of_pictures_needs_words_from_elsewhere(shop, tmp_path, around):
    shutil.copytree(shop / "images", tmp_path / "pictures")
    with pytest.raises(InvalidInput, match=r"no products.jsonl or products.csv in .*pictures"):
        make(tmp_path / "pictures", tmp_path / "out", around)
    summary = make(tmp_path / "pictures", tmp_path / "out", around, manifest=shop / "products.csv")
    assert summary.triplets == len(image_folder.load(tmp_path / "pictures")[0].gallery) == 60


@pytest.mark.parametrize("stage", ["duplicates", "features", "triplets"])
def test_a_run_can_be_cancelled_at_every_stage(shop, tmp_path, root, stage):
    seen = []
    around = Surroundings(
        FeatureCache(tmp_path / "features"),
        root / "captions.jsonl",
        lambda name, done, total: seen.append(name),
        lambda: bool(seen) and (stage in seen or (stage == "triplets" and "features" in seen)),
    )
    summary = make(shop, tmp_path / "out", around)
    assert summary.stopped == "cancelled"
    assert summary.sentence() == "Cancelled: no new triplets were written."
    assert not (tmp_path / "out" / EXTENDED).exists()


def test_accepted_triplets_are_written_beside_all_of_them(shop, tmp_path, around):
    make(shop, tmp_path, around)
    rows = json.loads((tmp_path / EXTENDED).read_text())
    (tmp_path / "accepted-001.json").write_text(json.dumps(rows[3:5]))
    assert accept(tmp_path, "akin", [tmp_path / "accepted-001.json"]) == 2
    assert (
        json.loads((tmp_path / "captions/cap.extend_akin_accepted.train.json").read_text())
        == rows[3:5]
    )
    assert (
        len(json.loads((tmp_path / "captions/cap.rc2.train.extend_akin_accepted.json").read_text()))
        == 2
    )
