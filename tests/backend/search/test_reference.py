"""References: products and images of the catalogue, and pictures of one's own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from backend.database import Database
from backend.errors import Conflict, InvalidInput, NotFound, TooLarge, UnsupportedImage
from backend.search.schemas import SearchRequest
from backend.search.service import SearchService
from tests.backend.search.conftest import open_shop, serve
from tests.backend.search.shop import Shop, picture, skus


@pytest.fixture
def shop(tmp_path, database: Database, tiny_backbone) -> Iterator[Shop]:
    """An empty shop; references are looked up in SQL and gallery, so over two pairs of these."""
    gallery_url = "edge" if database.is_sqlite else ":memory:"
    with open_shop(tmp_path, database, tiny_backbone, gallery_url) as found:
        yield found


@pytest.fixture
def search(shop: Shop) -> Iterator[SearchService]:
    with serve(shop) as service:
        yield service


def ask(search: SearchService, image: bytes | None = None, **query: Any) -> Any:
    return search.search(SearchRequest(**query), image=image, name="mine.jpg")


def test_a_product_as_reference_is_left_out_with_all_its_images(shop, search):
    first, _ = shop.add("TEE", picture("red"), picture("darkred"))
    shop.add("OTHER", picture("orange"))
    answer = ask(search, reference_sku="TEE")
    assert skus(answer) == ["OTHER"]
    assert answer.reference.kind == "catalogue"
    assert answer.reference.image_id == first
    assert answer.reference.product.sku == "TEE"
    assert answer.reference.sha256 == hashlib.sha256(picture("red")).hexdigest()


def test_an_image_as_reference_is_that_very_image(shop, search):
    _, second = shop.add("TEE", picture("red"), picture("blue"))
    for colour in ("orange", "navy", "green"):
        shop.add(colour, picture(colour))
    answer = ask(search, reference_image_id=second)
    assert answer.reference.image_id == second
    assert skus(answer) == skus(ask(search, picture("blue")))
    assert "TEE" not in skus(answer)


def test_an_uploaded_picture_finds_what_the_same_catalogue_image_finds(shop, search):
    shop.add("TEE", picture("red"))
    for colour in ("orange", "navy", "green"):
        shop.add(colour, picture(colour))
    uploaded = ask(search, picture("red"), text="blue")
    stored = ask(search, reference_sku="TEE", text="blue")
    assert skus(uploaded) == skus(stored)
    assert [hit.score for hit in uploaded.results] == pytest.approx(
        [hit.score for hit in stored.results], abs=1e-5
    )
    assert uploaded.reference.model_dump() == {
        "kind": "upload",
        "image_id": None,
        "product": None,
        "sha256": hashlib.sha256(picture("red")).hexdigest(),
    }


def test_every_product_that_shows_the_uploaded_picture_is_left_out(shop, search):
    shop.add("TEE", picture("red"))
    shop.add("SAME", picture("blue"), picture("red"))
    shop.add("OTHER", picture("orange"))
    assert skus(ask(search, picture("red"))) == ["OTHER"]


def test_the_first_image_that_is_embedded_is_the_reference(shop, search):
    broken, _waiting, good = shop.add(
        "TEE", picture("red"), picture("blue"), picture("green"), embed=False
    )
    shop.mark_unreadable(broken, "It is truncated.")
    shop.embed("TEE", good, picture("green"))
    assert ask(search, reference_sku="TEE").reference.image_id == good


def test_a_reference_that_is_not_there_is_told(search):
    with pytest.raises(NotFound, match="no product with the SKU 'TEE'"):
        ask(search, reference_sku="TEE")
    for image_id in ("3f2504e0-4f89-41d3-9a0c-0305e82c3301", "no id", "nul \0"):
        with pytest.raises(NotFound, match=r"no image .*: it may have been deleted\.$"):
            ask(search, reference_image_id=image_id)


def test_a_reference_that_is_still_being_embedded_is_told(shop, search):
    (image_id,) = shop.add("TEE", picture("red"), embed=False)
    with pytest.raises(
        Conflict, match=r"^Product 'TEE' is still being embedded: try again in a moment\.$"
    ):
        ask(search, reference_sku="TEE")
    with pytest.raises(Conflict, match=rf"^Image {image_id} is still being embedded"):
        ask(search, reference_image_id=image_id)


def test_a_reference_whose_point_is_lost_counts_as_still_being_embedded(shop, search):
    (image_id,) = shop.add("TEE", picture("red"))
    shop.gallery.delete([image_id])
    with pytest.raises(Conflict, match="is still being embedded: try again in a moment"):
        ask(search, reference_sku="TEE")


def test_a_reference_that_cannot_be_embedded_is_told_why(shop, search):
    (image_id,) = shop.add("TEE", picture("red"), embed=False)
    shop.mark_unreadable(image_id, "The picture is damaged.")
    with pytest.raises(
        Conflict, match=r"'TEE' cannot be a reference \(The picture is damaged\): choose another"
    ):
        ask(search, reference_sku="TEE")


def test_a_product_without_images_cannot_be_a_reference(shop, search):
    shop.add("TEE")
    with pytest.raises(Conflict, match="'TEE' has no image yet: add one, or choose another"):
        ask(search, reference_sku="TEE")


def test_two_references_are_told(search):
    with pytest.raises(InvalidInput, match="a SKU and an uploaded picture as its reference: give"):
        ask(search, picture("red"), reference_sku="TEE")
    with pytest.raises(InvalidInput, match="a SKU and an image id as its reference: give one"):
        ask(search, reference_sku="TEE", reference_image_id="one")


def test_bytes_that_are_no_picture_are_told_by_name(search):
    for data in (b"", b"no picture", picture("red")[:-200]):
        with pytest.raises(UnsupportedImage, match=r"mine\.jpg"):
            ask(search, data)


def test_a_picture_over_the_limit_is_told_by_name(search):
    with pytest.raises(TooLarge, match=r"bytes in mine\.jpg, and 100,000 are allowed"):
        ask(search, picture("red") + bytes(100_000))
