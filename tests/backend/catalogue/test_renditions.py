from __future__ import annotations

import io
from collections.abc import Iterator
from uuid import uuid4

import pytest
from PIL import Image

from backend.blobs import RENDITION_KINDS, BlobStore
from backend.catalogue.renditions import prepare_image, rendition, store_image
from backend.encoding.decode_pool import DecodePool
from backend.encoding.decoding import DecodeLimits
from backend.encoding.rendering import is_whole, render
from backend.errors import NotFound, TooLarge, UnsupportedImage
from tests.backend.catalogue.stock import picture, sha

SIDEWAYS = 6  # the EXIF orientation of a phone held upright


@pytest.fixture
def blobs() -> BlobStore:
    return BlobStore(f"memory://{uuid4()}")


@pytest.fixture(scope="module")
def decoder() -> Iterator[DecodePool]:
    pool = DecodePool(1)
    yield pool
    pool.close()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(
    ("size", "thumbnail", "preview"),
    [
        ((3000, 1500), (384, 192), (1200, 600)),
        ((600, 800), (288, 384), (600, 800)),
        ((160, 213), (160, 213), (160, 213)),
        ((1, 5000), (1, 384), (1, 1200)),
    ],
)
def test_renditions_are_webp_of_bounded_size_and_never_enlarged(
    size: tuple[int, int], thumbnail: tuple[int, int], preview: tuple[int, int]
) -> None:
    made = {kind: opened(data) for kind, data in render(Image.new("RGB", size, "red")).items()}
    assert {kind: image.format for kind, image in made.items()} == dict.fromkeys(
        RENDITION_KINDS, "WEBP"
    )
    assert (made["thumbnail"].size, made["preview"].size) == (thumbnail, preview)


def test_the_colours_survive() -> None:
    image = opened(render(Image.new("RGB", (800, 800), (200, 30, 60)))["thumbnail"])
    pixel = image.convert("RGB").getpixel((100, 100))
    assert isinstance(pixel, tuple)
    assert all(abs(a - b) <= 6 for a, b in zip(pixel, (200, 30, 60), strict=True))


def test_a_prepared_picture_knows_its_upright_size_and_shows_no_metadata(
    decoder: DecodePool,
) -> None:
    exif = Image.Exif()
    exif[0x0112] = SIDEWAYS
    exif[0x010F] = "Secret camera"
    data = picture(size=(2400, 1600), form="JPEG", exif=exif)

    prepared = prepare_image(decoder, data, name="tee.jpg")

    facts = prepared.facts
    assert (facts.format, facts.size) == ("JPEG", len(data))
    assert (facts.width, facts.height) == (1600, 2400)
    assert opened(prepared.renditions["preview"]).size == (800, 1200)
    assert b"Secret camera" not in prepared.renditions["preview"]


def test_what_is_no_picture_is_refused_by_name(decoder: DecodePool) -> None:
    with pytest.raises(UnsupportedImage, match=r"no picture that can be read in tee\.jpg"):
        prepare_image(decoder, b"hello", name="tee.jpg")
    with pytest.raises(UnsupportedImage, match=r"tee\.jpg is damaged or cut short"):
        prepare_image(decoder, picture(size=(300, 300), form="JPEG")[:-500], name="tee.jpg")
    strict = DecodePool(1, DecodeLimits(max_bytes=10))
    with pytest.raises(TooLarge, match=r"bytes in tee\.jpg, and 10 are allowed"):
        prepare_image(strict, picture(), name="tee.jpg")
    strict.close()


def test_a_stored_picture_has_its_blob_and_both_renditions(
    blobs: BlobStore, decoder: DecodePool
) -> None:
    prepared = prepare_image(decoder, picture(), name="tee.png")

    sha256 = store_image(blobs, prepared)

    assert store_image(blobs, prepared) == sha256
    assert blobs.read(sha256) == picture()
    for kind in RENDITION_KINDS:
        assert rendition(blobs, sha256, kind, decoder) == prepared.renditions[kind]


def test_a_missing_rendition_is_made_again_from_the_blob(
    blobs: BlobStore, decoder: DecodePool
) -> None:
    sha256 = blobs.put(picture("blue", (800, 600)))

    data = rendition(blobs, sha256, "thumbnail", decoder)

    assert opened(data).size == (384, 288)
    assert blobs.read_rendition(sha256, "thumbnail") == data
    assert blobs.read_rendition(sha256, "preview") is not None


@pytest.mark.parametrize("cut", ["empty", "short", "zeros"])
def test_a_rendition_that_a_power_cut_left_behind_is_made_again(
    blobs: BlobStore, decoder: DecodePool, cut: str
) -> None:
    sha256 = store_image(blobs, prepare_image(decoder, picture("blue", (800, 600)), name="a.png"))
    whole = blobs.read_rendition(sha256, "preview")
    assert whole is not None
    left = {"empty": b"", "short": whole[:-40], "zeros": whole[:-80] + bytes(80)}[cut]
    blobs.put_rendition(sha256, "preview", left)

    assert rendition(blobs, sha256, "preview", decoder) == whole
    assert blobs.read_rendition(sha256, "preview") == whole


@pytest.mark.parametrize("colour", ["white", "black", "red", "#010203"])
@pytest.mark.parametrize("side", [1, 7, 64, 1200])
def test_a_plain_rendition_is_not_taken_for_a_damaged_one(colour: str, side: int) -> None:
    made = render(Image.new("RGB", (side, side), colour))
    assert all(is_whole(data) for data in made.values())


def test_there_is_no_rendition_of_nothing(blobs: BlobStore, decoder: DecodePool) -> None:
    with pytest.raises(NotFound, match=f"no stored picture {sha(1)}"):
        rendition(blobs, sha(1), "preview", decoder)
