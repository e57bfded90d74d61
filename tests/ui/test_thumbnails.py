"""One's own picture is shown back small; what cannot be read shows nothing and stops nothing."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ui.thumbnails import data_uri


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def promising(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header says it has that size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + bytes(4)


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/webp;base64,"))))


def test_a_picture_becomes_a_small_one() -> None:
    image = decoded(data_uri(encoded(Image.new("RGB", (2000, 1000), "red"), "JPEG")))
    assert image.size == (320, 160)


def test_a_photo_taken_upright_is_shown_upright() -> None:
    turned = Image.new("RGB", (200, 100), "red")
    exif = turned.getexif()
    exif[0x0112] = 6
    assert decoded(data_uri(encoded(turned, "JPEG", exif=exif))).size == (100, 200)


@pytest.mark.parametrize(
    "data", [b"", b"no picture", encoded(Image.new("L", (90, 90)), "PNG")[:60]]
)
def test_what_cannot_be_read_shows_nothing(data: bytes) -> None:
    assert data_uri(data) == ""


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_picture_whose_camera_notes_are_cut_short_shows_nothing(kind: str) -> None:
    cut = encoded(Image.new("L", (9, 9)), kind, exif=b"Exif\0\0II*\0\x08")
    assert data_uri(cut) == ""


@pytest.mark.parametrize("size", [(10_000, 6_000), (20_000, 20_000)])
def test_a_picture_of_too_many_pixels_is_not_unpacked(size: tuple[int, int]) -> None:
    assert data_uri(promising(*size)) == ""


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(deadline=None)
@given(data=st.data())
def test_no_damage_stops_the_page(kind: str, data: st.DataObject) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.linear_gradient("L").resize((12, 9))
    whole = bytearray(encoded(image, kind, exif=exif))
    for position in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[position] = data.draw(st.integers(0, 255))
    uri = data_uri(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    assert uri == "" or max(decoded(uri).size) <= 320
