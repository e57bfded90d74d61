"""What of a folder the zero-shot methods train on."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from backend.errors import InvalidInput
from tests.backend.search.shop import COLOURS, picture
from tests.workers.recipes.inverting import (
    CAPTIONS,
    tiny_model,
    write_captions,
    write_pictures,
    write_wardrobe,
)
from workers.trainer import corpora
from workers.trainer.corpora import seen_pictures, training_pictures, training_texts
from workers.trainer.features import FeatureCache


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody reads."""


def write_catalogue(folder: Path, splits: Sequence[str | None]) -> Path:
    write_pictures(folder / "images")
    lines = [
        {"sku": c, "title": f"{c} dress", "split": split, "images": [f"images/{c}.jpg"]}
        for c, split in zip(COLOURS, splits, strict=True)
    ]
    (folder / "products.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    return folder


def write_shard(path: Path) -> Path:
    with tarfile.open(path, "w") as tar:
        for number, colour in enumerate(COLOURS):
            for ending, data in (("jpg", picture(colour)), ("txt", colour.encode())):
                member = tarfile.TarInfo(f"{number:04}.{ending}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return path


def test_of_a_wardrobe_come_the_titles_and_pictures_of_its_training_products(tmp_path):
    data = write_wardrobe(tmp_path / "w")
    texts = training_texts(data)
    assert texts.about == "titles of Wardrobe"
    assert texts.take(range(len(texts))) == [f"A {colour} train dress" for colour in COLOURS]
    pictures = training_pictures(data)
    assert pictures.names == [f"train-{colour}" for colour in COLOURS]


def test_of_a_catalogue_come_its_training_products_or_all_where_it_has_no_splits(tmp_path):
    split = write_catalogue(tmp_path / "split", ["train"] * 3 + ["val"] * 5)
    assert training_texts(split).take([0, 2]) == [f"{COLOURS[0]} dress", f"{COLOURS[2]} dress"]
    assert len(training_texts(split)) == len(training_pictures(split).names) == 3
    whole = write_catalogue(tmp_path / "whole", [None] * 8)
    assert len(training_texts(whole)) == len(training_pictures(whole).names) == 8


def test_a_file_of_captions_is_read_as_it_is(tmp_path):
    texts = training_texts(write_captions(tmp_path / "c.txt"))
    assert len(texts) == len(CAPTIONS)
    assert texts.take(np.array([2, 0])) == [CAPTIONS[2], CAPTIONS[0]]


def test_another_corpus_has_another_digest(tmp_path):
    one = training_texts(write_captions(tmp_path / "a.txt"))
    two = training_texts(write_captions(tmp_path / "b.txt", CAPTIONS[1:]))
    assert one.digest != two.digest


def test_a_folder_that_holds_nothing_is_refused(tmp_path):
    for read in (training_texts, training_pictures):
        with pytest.raises(InvalidInput, match="No dataset was recognised"):
            read(tmp_path)
    with pytest.raises(InvalidInput, match="There are no captions in"):
        training_texts(tmp_path / "nowhere")


def test_products_without_titles_teach_nothing(tmp_path):
    data = write_catalogue(tmp_path / "c", [None] * 8)
    lines = [json.loads(line) for line in (data / "products.jsonl").read_text().splitlines()]
    (data / "products.jsonl").write_text(
        "\n".join(json.dumps(line | {"title": " "}) for line in lines) + "\n"
    )
    with pytest.raises(InvalidInput, match=r"No product of .* has a title"):
        training_texts(data)


def test_features_of_shards_are_those_of_the_same_pictures_in_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(corpora, "BLOCK", 3)  # several blocks
    backbone = tiny_model(tmp_path).backbone
    cache = FeatureCache(tmp_path / "features")
    shard = training_pictures(write_shard(tmp_path / "shard.tar"))
    folder = write_pictures(tmp_path / "p")
    plain = training_pictures(folder)
    told: list[tuple[int, int]] = []
    seen = seen_pictures(cache, backbone, shard, lambda _, done, total: told.append((done, total)))
    assert told[-1] == (8, 8)
    whole = seen_pictures(cache, backbone, plain, silent)
    rows = np.array([list(plain.names).index(f"{colour}.jpg") for colour in COLOURS])
    assert np.array_equal(seen.take(np.arange(8)), whole.take(rows))
    assert seen.digest() != whole.digest()
    assert seen.digest() == seen_pictures(cache, backbone, shard, silent).digest()


def test_pictures_that_cannot_be_read_are_named_and_the_others_kept(tmp_path):
    folder = write_pictures(tmp_path / "p")
    (folder / "aaa.jpg").write_bytes(b"no picture")
    pictures = training_pictures(folder)
    seen = seen_pictures(
        FeatureCache(tmp_path / "f"), tiny_model(tmp_path).backbone, pictures, silent
    )
    assert (len(seen.rows), seen.numbers[0]) == (16, 1)
    assert seen.remarks[0].startswith("1 of 17 pictures cannot be used, first aaa.jpg: ")
