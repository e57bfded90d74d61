"""Pictures decoded by child processes: the same pixels and sentences, and nothing else is lost."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from backend.encoding.decoding import DecodeLimits, decode_image
from backend.encoding.preprocessing import Preprocessing
from backend.encoding.rendering import render_image
from backend.errors import AkinError, TooLarge, Unavailable, UnsupportedImage
from tests.backend.encoding import hostile
from tests.backend.encoding.hostile import noise, saved
from tests.backend.encoding.pools import SEE, ended, in_the_middle, make, pool, slow

__all__ = ["make", "pool", "slow"]


def pictures() -> list[bytes]:
    """One of every kind that matters to a decoder."""
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [noise(40, 30, seed=n) for n in range(3)]
    deep = Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50)
    return [
        saved(noise(900, 700), "JPEG"),
        saved(noise(90, 70), "JPEG", exif=exif),
        saved(noise(60, 40, "CMYK"), "JPEG"),
        saved(noise(60, 40, "RGBA")),
        saved(noise(60, 40, "LA")),
        saved(noise(60, 40).quantize(16), "GIF", transparency=3),
        saved(deep),
        saved(noise(60, 40), "WEBP", lossless=True),
        saved(noise(60, 40), "TIFF", compression="tiff_lzw", tiffinfo={274: 6}),
        saved(noise(60, 40), "BMP"),
        *(
            saved(frames[0], form, save_all=True, append_images=frames[1:])
            for form in ("GIF", "WEBP", "PNG")
        ),
    ]


def sentence_of(call: Callable[[], object]) -> tuple[type[AkinError], str]:
    with pytest.raises(AkinError) as told:
        call()
    return type(told.value), told.value.sentence


def test_pixels_and_renditions_are_those_of_the_function_in_eight_threads(pool):
    def compare(data: bytes) -> bool:
        image = decode_image(data, draft=SEE.draft)
        np.testing.assert_array_equal(pool.pixels(data, SEE), SEE.pixels(image))
        return bool(pool.render(data) == render_image(data, DecodeLimits(), name="it"))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(compare, pictures() * 4))
    assert len(pool.children()) == 2


@pytest.mark.parametrize("kind", ["squarepad", "targetpad"])
def test_every_preprocessing_reaches_the_child(pool, kind):
    see = Preprocessing(kind=kind, size=24, parity=True, interpolation="bilinear")
    data = saved(noise(90, 40, "CMYK"), "TIFF")
    pixels = pool.pixels(data, see)
    np.testing.assert_array_equal(pixels, see.pixels(decode_image(data, draft=see.draft)))
    assert (pixels.shape, pixels.dtype) == ((3, 24, 24), np.uint8)
    pixels[0, 0, 0] = 1  # a caller may write to it


def test_facts_are_of_the_upright_picture(pool):
    exif = Image.Exif()
    exif[0x0112] = 6
    for form in ("JPEG", "PNG", "WEBP", "TIFF"):
        made = pool.render(saved(noise(61, 60), form, exif=exif))
        assert (made.form, made.width, made.height) == (form, 60, 61)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        hostile.huge_png(),
        saved(noise(40, 30), "JPEG")[:400],
        hostile.gif((65_535, 65_535), (1, 1)),
        saved(Image.new("RGB", (1500, 1))),
    ],
    ids=["empty", "text", "huge", "cut", "screen", "narrow"],
)
def test_refusals_are_those_of_the_function_word_for_word(pool, data):
    name = 'Bläschen "\n" 🙂/../a.png'
    expected = sentence_of(lambda: decode_image(data, name=name))
    assert name in expected[1]
    assert sentence_of(lambda: pool.pixels(data, SEE, name=name)) == expected
    assert sentence_of(lambda: pool.render(data, name=name)) == expected


def test_too_many_bytes_are_not_even_sent(make):
    strict = make(1, DecodeLimits(max_bytes=10, max_pixels=50))
    data = saved(Image.new("RGB", (8, 8)))
    with pytest.raises(TooLarge, match=rf"{len(data)} bytes in a\.png, and 10 are allowed"):
        strict.pixels(data, SEE, name="a.png")
    assert strict.children() == []


def test_the_limits_of_the_pool_are_those_of_its_children(make):
    strict = make(1, DecodeLimits(max_pixels=50, formats=("PNG",)))
    with pytest.raises(TooLarge, match=r"in a\.png has 8 x 8 pixels, and 50 are allowed"):
        strict.render(saved(Image.new("RGB", (8, 8))), name="a.png")
    with pytest.raises(UnsupportedImage, match="send one of PNG"):
        strict.render(saved(Image.new("RGB", (8, 8)), "JPEG"))


def test_a_picture_of_many_megabytes_passes_the_pipe(pool):
    data = saved(noise(1500, 1200), compress_level=0)
    assert len(data) > 5_000_000
    np.testing.assert_array_equal(pool.pixels(data, SEE), SEE.pixels(decode_image(data)))


def test_closing_ends_all_children_and_may_be_repeated(make, slow):
    pool = make(2, seconds=60)
    answer, _ = in_the_middle(pool, slow)
    pool.pixels(saved(noise(9, 9)), SEE)
    pids = pool.children()
    assert len(pids) == 2
    pool.close()
    pool.close()
    with pytest.raises(Unavailable, match="picture decoder is shut down: start Akin again"):
        answer.result()
    assert all(ended(pid) for pid in pids)
    for call in (pool.warm_up, lambda: pool.pixels(b"any", SEE), lambda: pool.render(b"any")):
        with pytest.raises(Unavailable, match="picture decoder is shut down"):
            call()


def test_who_waits_when_the_pool_is_closed_is_told(make, slow):
    pool = make(1, seconds=60)
    in_the_middle(pool, slow)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(pool.pixels, saved(noise(9, 9)), SEE)
        time.sleep(0.05)
        pool.close()
        with pytest.raises(Unavailable, match="shut down"):
            waiting.result()


def test_who_waits_too_long_is_turned_away(make, slow):
    pool = make(1, seconds=60, patience=0.2)
    in_the_middle(pool, slow)
    for _ in range(2):
        with pytest.raises(Unavailable, match="too many pictures to decode at the moment: try ag"):
            pool.pixels(saved(noise(9, 9)), SEE)


@pytest.mark.parametrize("kind", hostile.polyglots())
def test_a_file_that_is_also_something_else_is_read_as_a_picture_or_refused(pool, kind):
    data = hostile.polyglots()[kind]
    assert hostile.FOREIGN in data or kind == "jpeg-and-zip"
    if kind in {"pdf-and-jpeg", "html-and-gif"}:
        with pytest.raises(UnsupportedImage, match="no picture that can be read in it"):
            pool.render(data, name="it")
        return
    for rendition in pool.render(data).renditions.values():
        shown = Image.open(io.BytesIO(rendition), formats=["WEBP"])
        assert shown.n_frames == 1  # type: ignore[attr-defined]
        assert not shown.getexif()
        for foreign in (b"script", b"alert", b"PK\3\4", b"index.html", b"XMP "):
            assert foreign not in rendition
        assert len(rendition) == 8 + int.from_bytes(rendition[4:8], "little")  # nothing behind it


@pytest.mark.parametrize(("name", "form"), [("a.jpg", "PNG"), ("a.png", "WEBP"), ("a.txt", "GIF")])
def test_the_name_does_not_say_what_a_picture_is(pool, name, form):
    assert pool.render(saved(noise(20, 20), form), name=name).form == form
    with pytest.raises(UnsupportedImage, match=r"no picture that can be read in a\.png: send one"):
        pool.render(b"sku,title\n1,Tee\n", name="a.png")
