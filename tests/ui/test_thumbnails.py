"""One's own picture is shown back small, drawn by the server; what cannot be read shows nothing and
stops nothing."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from backend.catalogue.routes import router
from backend.encoding.decode_pool import DecodePool
from backend.errors import Unavailable
from backend.runtime import Runtime
from tests.api import api_of, served
from tests.backend.encoding import hostile
from ui import thumbnails
from ui.thumbnails import data_uri, drawn

PATIENCE = 2.0


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


@pytest.fixture(autouse=True)
def server(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The real route over real children that decode, which get two seconds for a picture."""
    decoder = DecodePool(2, runtime.limits, seconds=PATIENCE)
    decoder.warm_up()
    monkeypatch.setattr(runtime, "query_decoder", decoder)
    with served(api_of(runtime, router)) as url:
        monkeypatch.setenv("AKIN_URL", url)
        yield url
    decoder.close()


def test_a_picture_becomes_a_small_one() -> None:
    image = decoded(data_uri(encoded(Image.new("RGB", (2000, 1000), "red"), "JPEG")))
    assert (image.format, image.size) == ("WEBP", (384, 192))


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


@pytest.mark.parametrize("size", [(20_000, 20_000), (60_000, 60_000)])
def test_a_picture_of_too_many_pixels_is_not_unpacked(size: tuple[int, int]) -> None:
    assert data_uri(promising(*size)) == ""


def test_a_picture_that_takes_for_ever_shows_nothing_and_the_next_one_is_drawn() -> None:
    slow = hostile.many_scans(4000, 60_000)
    assert data_uri(slow) == ""
    assert data_uri(encoded(Image.new("RGB", (9, 9)), "PNG"))


def test_the_page_itself_has_no_decoder() -> None:
    assert not [name for name in vars(thumbnails) if name in {"Image", "ImageOps", "PIL"}]


def test_without_a_server_there_is_none_for_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKIN_URL", "http://127.0.0.1:9")
    data = encoded(Image.new("RGB", (9, 9)), "PNG")
    assert data_uri(data) == ""
    with pytest.raises(Unavailable):
        drawn(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
@settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_damage_stops_the_page(kind: str, data: st.DataObject) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.linear_gradient("L").resize((12, 9))
    whole = bytearray(encoded(image, kind, exif=exif))
    for position in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[position] = data.draw(st.integers(0, 255))
    uri = data_uri(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    assert uri == "" or max(decoded(uri).size) <= 384
