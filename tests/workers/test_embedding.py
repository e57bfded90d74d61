"""The embed job: after it the gallery holds what the catalogue holds, whatever happened before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import select

from backend.catalogue.lost_pictures import LOST_BYTES
from backend.catalogue.schemas import ProductUpdate
from backend.catalogue.service import delete_products, ensure_embedded, update_product
from backend.catalogue.tables import Blob, Removal
from backend.database import Database
from backend.encoding.backbone import Backbone
from backend.encoding.decoding import decode_image
from backend.gallery.port import Gallery
from backend.registry.tables import GalleryRow
from backend.runtime import Runtime
from tests.disks import unreadable_file
from tests.workers.workshop import (
    activate,
    embeddings,
    ids,
    import_files,
    photo,
    photos,
    products,
    reasons,
    run_embeds,
    use,
)

STAGES = {"read", "decode", "encode", "upsert", "sql", "total"}


SOME = {"0.png": photo("red", "PNG"), "1.png": photo("blue", "PNG"), "2.png": b"no picture"}


def test_every_image_becomes_a_point_with_its_payload(runtime: Runtime, gallery: Gallery) -> None:
    manifest = b"sku,image,category,price,currency,colour\nA,a.png,dress,19.90,EUR,red\n"
    import_files(runtime, {"p.csv": manifest, "a.png": photo("red", "PNG"), **photos(9)})
    (job,) = run_embeds(runtime)
    assert (job.state, job.done, job.failed, job.total) == ("done", 10, 0, 10)
    assert (job.result["embedded"], job.result["failed"]) == (10, 0)
    assert job.result["seconds"].keys() == STAGES
    assert 0 < job.result["encoder_busy"] <= 1
    assert gallery.scroll(None, 100) == ids(runtime)
    product = products(runtime)["A"]
    (point,) = gallery.fetch([product.images[0].id]).values()
    assert {key: point.payload[key] for key in ("product", "sku", "category", "split")} == {
        "product": product.id,
        "sku": "A",
        "category": "dress",
        "split": "train",
    }
    assert point.payload["attributes"] == {"colour": "red", "price": pytest.approx(19.9)}
    assert gallery.indexed_attributes() == {"price": "float", "colour": "keyword"}
    assert product.images[0].embedded


def test_the_vector_is_what_the_backbone_gives(runtime: Runtime, gallery: Gallery) -> None:
    import_files(runtime, {"a.png": photo("teal", "PNG")})
    run_embeds(runtime)
    backbone = runtime.backbone()
    pixels = backbone.preprocessing.pixels(decode_image(photo("teal", "PNG")))
    (expected,) = backbone.encode_images(pixels[None])
    (point,) = gallery.fetch(ids(runtime)).values()
    np.testing.assert_allclose(point.vector * point.norm, expected, rtol=1e-3, atol=1e-4)


def test_pictures_of_large_jpegs_are_drafted_without_changing_the_features(
    runtime: Runtime, gallery: Gallery
) -> None:
    """A smooth picture of 1,600 pixels, decoded at an eighth, points the same way."""
    from PIL import Image as Pillow

    gradient = Pillow.linear_gradient("L").resize((1600, 1200), Pillow.Resampling.BICUBIC)
    path = runtime.settings.home / "large.jpg"
    Pillow.merge("RGB", [gradient, gradient.rotate(180), gradient]).save(path, quality=95)
    data = path.read_bytes()
    import_files(runtime, {"large.jpg": data})
    run_embeds(runtime)
    backbone = runtime.backbone()
    (whole,) = backbone.encode_images(backbone.preprocessing.pixels(decode_image(data))[None])
    (point,) = gallery.fetch(ids(runtime)).values()
    assert float(point.vector @ whole / np.linalg.norm(whole)) > 0.999


def test_doing_it_again_encodes_nothing(runtime: Runtime, gallery: Gallery) -> None:
    import_files(runtime, photos(3))
    run_embeds(runtime)
    with runtime.database.write() as session:
        ensure_embedded(session, runtime.queue)
    (again,) = run_embeds(runtime)
    assert (again.state, again.result["embedded"], again.result["encoder_busy"]) == ("done", 0, 0)


def test_an_edit_replaces_the_payload_and_keeps_the_vector(
    runtime: Runtime, gallery: Gallery
) -> None:
    import_files(runtime, photos(2))
    run_embeds(runtime)
    product = products(runtime)["1"]
    image_id = product.images[0].id
    before = gallery.fetch([image_id])[image_id]
    change = ProductUpdate(split="test", attributes={"Fit": "slim"})
    with runtime.database.write() as session:
        update_product(session, runtime.queue, product.id, change)
    (job,) = run_embeds(runtime)
    assert (job.state, job.result["embedded"]) == ("done", 0)
    after = gallery.fetch([image_id])[image_id]
    assert (after.payload["split"], after.payload["attributes"]) == ("test", {"fit": "slim"})
    np.testing.assert_array_equal(after.vector, before.vector)
    assert embeddings(runtime)[image_id] == (2, None)


def test_a_deletion_takes_points_blobs_and_renditions(runtime: Runtime, gallery: Gallery) -> None:
    import_files(runtime, {"a.png": photo("red", "PNG"), "b.png": photo("blue", "PNG")})
    import_files(runtime, {"c.png": photo("red", "PNG")})
    run_embeds(runtime)
    catalogue = products(runtime)
    gone = [catalogue["a"].id, catalogue["b"].id]
    with runtime.database.write() as session:
        delete_products(session, runtime.queue, gone)
    (job,) = run_embeds(runtime)
    assert job.state == "done"
    assert gallery.scroll(None, 10) == ids(runtime) == [catalogue["c"].images[0].id]
    shared, only = (catalogue[sku].images[0].sha256 for sku in "ab")
    assert runtime.blobs.exists(shared), "another product shows the same picture"
    assert not runtime.blobs.exists(only)
    assert runtime.blobs.read_rendition(only, "thumbnail") is None
    with runtime.database.read() as session:
        assert session.scalars(select(Blob.sha256)).all() == [shared]
        assert session.scalars(select(Removal)).all() == []


def test_an_image_that_cannot_be_encoded_is_one_line_and_not_tried_again(
    runtime: Runtime, gallery: Gallery
) -> None:
    import_files(runtime, photos(6))
    catalogue = products(runtime)
    runtime.blobs.delete(catalogue["2"].images[0].sha256)
    (job,) = run_embeds(runtime)
    assert (job.state, job.done, job.failed) == ("done", 6, 1)
    sentence = (
        "The stored bytes of the image of 2 are gone: import the same picture again, or delete the "
        "image."
    )
    assert reasons(runtime, job) == {"2": sentence}
    assert products(runtime)["2"].images[0].problem == sentence
    assert gallery.count() == 5


def test_a_picture_on_a_bad_part_of_the_disk_costs_only_itself(
    runtime: Runtime, gallery: Gallery
) -> None:
    unreadable = unreadable_file()
    import_files(runtime, photos(3))
    sha256 = products(runtime)["1"].images[0].sha256
    path = runtime.settings.home / "blobs" / "originals" / sha256[:2] / sha256
    path.unlink()
    path.symlink_to(unreadable)
    (job,) = run_embeds(runtime)
    assert (job.state, job.done, job.failed) == ("done", 3, 1)
    sentence = (
        "The stored bytes of the image of 1 cannot be read from the disk: check the disk, run akin "
        "doctor --repair --deep, then import the same picture again, or delete the image."
    )
    assert reasons(runtime, job) == {"1": sentence}
    assert sentence.startswith(LOST_BYTES)
    assert products(runtime)["1"].images[0].problem == sentence
    assert gallery.count() == 2


def test_a_bucket_that_fails_for_the_moment_has_lost_no_picture(
    runtime: Runtime, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Buckets answer with the same number when they only want to be asked again."""
    import_files(runtime, photos(1))
    monkeypatch.setattr(runtime.blobs, "_is_local", False)
    sha256 = products(runtime)["0"].images[0].sha256
    path = runtime.settings.home / "blobs" / "originals" / sha256[:2] / sha256
    path.unlink()
    path.symlink_to(unreadable_file())
    (job,) = run_embeds(runtime)
    assert job.state == "running", "tried again in a minute"
    assert "could not be read or written (input/output error)" in (job.error or "")
    assert embeddings(runtime) == {}


def test_features_that_are_no_direction_cost_only_their_own_image(
    runtime: Runtime, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tower that overflows on white pictures gives NaN for those."""
    import torch

    backbone = runtime.backbone()
    features = backbone._image_features

    def overflow(pixels, *rest, **options):
        found = features(pixels, *rest, **options)
        white = torch.from_numpy((pixels == 255).all(axis=(1, 2, 3)))
        return torch.where(white[:, None], torch.nan, found)

    monkeypatch.setattr(backbone, "_image_features", overflow)
    white = {"white.png": photo("white", "PNG"), "also.bmp": photo("white", "BMP")}
    import_files(runtime, {**photos(4), **white})
    (job,) = run_embeds(runtime)
    assert (job.state, job.done, job.failed) == ("done", 6, 2)
    assert reasons(runtime, job)["white"] == (
        "The backbone gives no usable features for the image of white: replace the picture, or "
        "check the backbone's weights."
    )
    assert gallery.count() == 4


def test_a_gallery_of_another_image_tower_is_left_alone(runtime: Runtime, gallery: Gallery) -> None:
    import_files(runtime, photos(1))
    with runtime.database.write() as session:
        session.query(GalleryRow).one().fingerprint = "f" * 64
    (job,) = run_embeds(runtime)
    assert job.state == "failed"
    assert job.error is not None
    assert job.error.startswith("No model version has the image tower of the gallery g-")
    assert gallery.count() == 0


@pytest.mark.services
def test_the_whole_way_on_postgresql(
    postgres_database: Database, runtime: Runtime, backbone: Backbone
) -> None:
    runtime = replace(runtime, database=postgres_database)
    use(runtime, backbone)
    gallery = runtime.galleries.open(activate(runtime).gallery_id)
    job = import_files(runtime, {"p.csv": b"sku,image,fit\nA,0.png,slim\n", **SOME})
    assert (job.result["created"], job.result["refused"]) == (2, 1)
    run_embeds(runtime)
    assert gallery.scroll(None, 10) == ids(runtime)
    catalogue = products(runtime)
    with runtime.database.write() as session:
        update_product(session, runtime.queue, catalogue["A"].id, ProductUpdate(split="test"))
        delete_products(session, runtime.queue, [catalogue["1"].id])
    (job,) = run_embeds(runtime)
    assert job.state == "done"
    (point,) = gallery.fetch(ids(runtime)).values()
    assert (gallery.count(), point.payload["split"]) == (1, "test")
    assert not runtime.blobs.exists(catalogue["1"].images[0].sha256)
