"""The data of a training: which part of the catalogue, taken once, in the layout of an export."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend import clock
from backend.catalogue.service import delete_products
from backend.errors import InvalidInput
from backend.feedback.tables import Triplet
from backend.registry.deployments import active
from backend.runtime import Runtime
from backend.training.schemas import FolderData, ImageData, TitleData, TripletData
from tests.workers.training.installations import opened
from tests.workers.workshop import products
from workers.datasets.catalogue import read_catalogue
from workers.trainer.features import FeatureCache
from workers.training_data import Snapshot, held_out, take_snapshot
from workers.training_features import export_features
from workers.training_files import RunFolder
from workers.training_triplets import accepted_triplets


def told(what: str, done: int, total: int) -> None:
    """Nobody asked."""


def taken(shop: Runtime, data: Any, folder: Path) -> Snapshot:
    return take_snapshot(shop.database, shop.blobs, data, folder, told)


def by_split(folder: Path) -> dict[str, int]:
    return dict(Counter(str(one.split) for one in read_catalogue(folder).products.values()))


def test_triplets_come_with_the_products_of_their_splits(shop, accepted, tmp_path):
    found = taken(shop, TripletData(), tmp_path / "all")
    assert found.counts == {
        "products": 72, "pictures": 72, "triplets of train": 40, "triplets of val": 10,
        "triplets of test": 10,
    }  # fmt: skip
    folder = tmp_path / "train"
    accepted[:] = [one for one in accepted if one.split != "test"]
    taken(shop, TripletData(splits=["train"]), folder)
    assert set(by_split(folder)) == {"train"}
    assert held_out(folder) is None
    dataset, split = held_out(tmp_path / "all") or pytest.fail("nothing held out")
    assert (dataset.kind.name, split) == ("catalogue", "test")


def test_pictures_and_titles_come_with_what_is_held_out(shop, tmp_path):
    taken(shop, ImageData(), tmp_path / "images")
    assert read_catalogue(tmp_path / "images").split("train").missing_sentence() is None
    assert len(read_catalogue(tmp_path / "images").triplets) == 20
    taken(shop, TitleData(), tmp_path / "titles")
    listed = read_catalogue(tmp_path / "titles").products.values()
    assert {one.split for one in listed if one.images} == {"val", "test"}
    assert all(one.title for one in listed)


def test_beside_a_folder_only_the_held_out_triplets_are_taken(shop, accepted, tmp_path):
    taken(shop, FolderData(path="wardrobe"), tmp_path / "held-out")
    assert set(by_split(tmp_path / "held-out")) == {"val", "test"}
    accepted.clear()
    assert taken(shop, FolderData(path="wardrobe"), tmp_path / "none").counts == {"products": 0}
    assert held_out(tmp_path / "none") is None


def test_it_is_taken_once_and_no_edit_reaches_it(shop, tmp_path):
    first = taken(shop, TripletData(), tmp_path / "data")
    with shop.database.write() as session:
        gone = [product.id for product in products(shop).values()]
        delete_products(session, shop.queue, gone)
    assert taken(shop, TripletData(), tmp_path / "data") == first
    assert len(read_catalogue(tmp_path / "data").products) == 72


def test_the_same_catalogue_has_the_same_hash(shop, accepted, tmp_path):
    one, two = (taken(shop, TripletData(), tmp_path / name).hash for name in ("one", "two"))
    accepted.pop(0)
    assert one == two != taken(shop, TripletData(), tmp_path / "three").hash


def test_one_that_was_interrupted_is_begun_anew(shop, tmp_path):
    def stop(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_snapshot(shop.database, shop.blobs, TripletData(), tmp_path / "data", stop)
    assert not (tmp_path / "data").exists()
    assert taken(shop, TripletData(), tmp_path / "data").counts["products"] == 72


def test_a_product_that_goes_meanwhile_takes_its_triplets_with_it(shop, accepted, tmp_path):
    victim = accepted[0].target
    with shop.database.write() as session:
        delete_products(session, shop.queue, [products(shop)[victim].id])
    taken(shop, TripletData(), tmp_path / "data")
    listed = read_catalogue(tmp_path / "data")
    assert victim not in listed.products
    assert victim not in {one.target for one in listed.triplets}


def test_pictures_are_links_to_the_blobs_and_lost_ones_are_counted(shop, tmp_path):
    one, *_ = sorted(shop.blobs.files("originals"), key=lambda file: file.name)
    shop.blobs.delete(one.name)
    found = taken(shop, TripletData(), tmp_path / "data")
    assert (found.counts["pictures"], found.counts["lost pictures"]) == (71, 1)
    for path in (tmp_path / "data" / "images").iterdir():
        assert path.stat().st_nlink == 2
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (TripletData(), "The catalogue has no accepted triplets of these sources between"),
        (ImageData(), "The catalogue has no products of the split train: move some"),
        (TitleData(), "The catalogue has no products of the split train: move some"),
    ],
)
def test_nothing_to_train_on_is_told(shop, accepted, tmp_path, data, sentence):
    accepted.clear()
    with shop.database.write() as session:
        gone = [one.id for one in products(shop).values() if one.split == "train"]
        delete_products(session, shop.queue, gone)
    with pytest.raises(InvalidInput, match=sentence):
        taken(shop, data, tmp_path / "data")


def test_features_of_the_gallery_are_those_of_the_tower(shop, tmp_path):
    folder = RunFolder(tmp_path, "job")
    folder.path.mkdir()
    taken(shop, TripletData(), folder.catalogue)
    cache, images = FeatureCache(folder.features), folder.catalogue / "images"
    with shop.database.read() as session:
        now = active(session)
    assert export_features(shop, now.fingerprint, images, cache, told) == 72
    assert export_features(shop, now.fingerprint, images, cache, told) == 0
    assert export_features(shop, "f" * 64, images, cache, told) == 0

    def never(done: int, total: int) -> None:
        pytest.fail("a picture was encoded again")

    backbone = shop.models.load(now).backbone
    paths = {path.stem: path for path in images.iterdir()}
    put = cache.image_features(backbone, paths, never)
    own = FeatureCache(tmp_path / "own").image_features(backbone, paths)
    assert put.names == own.names
    np.testing.assert_allclose(put.array, own.array, rtol=1e-5, atol=1e-6)


def test_accepted_triplets_are_those_between_products_of_one_split(home):
    """Straight from SQL; the sentences of a pair come together, in their order."""
    with opened(home) as runtime:
        found = products(runtime)
        of = {split: [p for p in found.values() if p.split == split] for split in ("train", "val")}
        (one, two, three), (held, *_) = of["train"][:3], of["val"]
        rows = [
            (one, "in red", two, True, "accepted", "feedback"),
            (one, "longer", two, True, "accepted", "import"),
            (one, "in red", two, True, "accepted", "import"),
            (two, "in blue", three, True, "accepted", "spn-positives"),
            (one, "shorter", three, True, "candidate", "feedback"),
            (one, "wider", three, True, "rejected", "feedback"),
            (one, "not this", three, False, "accepted", "feedback"),
            (one, "across", held, True, "accepted", "feedback"),
            (one, "itself", one, True, "accepted", "feedback"),
        ]
        with runtime.database.write() as session:
            for number, (reference, caption, target, meant, state, source) in enumerate(rows):
                reviewed = None if state == "candidate" else clock.now()
                session.add(
                    Triplet(
                        number=number + 1,
                        id=f"t{number}",
                        digest=f"{number}",
                        reference_image_id=reference.images[0].id,
                        caption=caption,
                        text=caption,
                        target_image_id=target.images[0].id,
                        is_target=meant,
                        state=state,
                        source=source,
                        actor="ann",
                        created_at=clock.now(),
                        reviewed_at=reviewed,
                    )
                )
        with runtime.database.read() as session:
            everything = accepted_triplets(session, ["feedback", "import", "spn-positives"])
            imported = accepted_triplets(session, ["import"])
    told_of = {(t.reference, t.target): (t.captions, t.split) for t in everything}
    assert told_of == {
        (one.sku, two.sku): (("in red", "longer"), "train"),
        (two.sku, three.sku): (("in blue",), "train"),
    }
    assert [t.captions for t in imported] == [("longer", "in red")]
