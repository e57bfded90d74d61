"""Decoding a stranger's bytes: every kind of picture comes out right, every bad file is told."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from backend.encoding.decoding import DecodeLimits, decode_image, image_facts
from backend.errors import TooLarge, UnsupportedImage

RED = (200, 30, 40)


def saved(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def middle(image):
    return np.array(image.getpixel((image.width // 2, image.height // 2)), dtype=int)


def close(colour, expected, by=6):
    return np.abs(np.asarray(colour) - expected).max() <= by


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "MPO"])
def test_each_allowed_format_is_read(form):
    data = saved(Image.new("RGB", (30, 20), RED), form)
    image = decode_image(data)
    assert (image.mode, image.size) == ("RGB", (30, 20))
    assert close(middle(image), RED)
    assert image_facts(data)[1:] == (30, 20)


def test_facts_are_read_from_the_header_alone():
    data = saved(Image.new("RGB", (300, 200), RED))
    assert image_facts(data[:60]) == ("PNG", 300, 200)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_metadata_dropped(orientation):
    upright = Image.new("RGB", (40, 20), RED)
    upright.paste((0, 0, 255), (0, 0, 20, 10))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's transpose that stores it so
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a camera"
    image = decode_image(saved(stored, "PNG", exif=exif))
    np.testing.assert_array_equal(np.asarray(image), np.asarray(upright))
    assert not image.info
    assert not image.getexif()


def test_transparency_becomes_white():
    image = Image.new("RGBA", (10, 10), (*RED, 0))
    image.putpixel((5, 5), (*RED, 255))
    flat = decode_image(saved(image))
    assert flat.getpixel((0, 0)) == (255, 255, 255)
    assert flat.getpixel((5, 5)) == RED
    half = decode_image(saved(Image.new("LA", (4, 4), (0, 128))))
    assert close(middle(half), (127, 127, 127))


def test_a_transparent_palette_colour_becomes_white():
    image = Image.new("P", (10, 10), 1)
    image.putpalette([0, 0, 0, *RED])
    image.putpixel((5, 5), 0)
    flat = decode_image(saved(image, "GIF", transparency=0))
    assert flat.getpixel((5, 5)) == (255, 255, 255)
    assert close(flat.getpixel((0, 0)), RED)


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_is_read_as_its_colours(form):
    """Pillow writes JPEG as Adobe does, with the inks inverted, and says so in a marker."""
    ink = Image.new("CMYK", (32, 32), (0, 230, 230, 20))
    red, green, blue = middle(decode_image(saved(ink, form)))
    assert red > 180
    assert max(green, blue) < 60


def test_sixteen_bits_are_scaled_not_clipped():
    deep = np.full((8, 8), 32768, dtype=np.uint16)
    for form in ("PNG", "TIFF"):
        assert close(middle(decode_image(saved(Image.fromarray(deep), form))), 128, by=1)


def test_a_float_picture_is_scaled_to_its_brightest():
    light = np.linspace(0, 4, 64, dtype=np.float32).reshape(8, 8)
    image = np.asarray(decode_image(saved(Image.fromarray(light), "TIFF")))
    assert (image.min(), image.max()) == (0, 255)


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_plain_modes_become_rgb(mode):
    image = decode_image(saved(Image.new("RGB", (9, 9), "white").convert(mode)))
    assert (image.mode, image.getpixel((4, 4))) == ("RGB", (255, 255, 255))


def test_the_first_frame_of_an_animation_is_taken():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_image(data).getpixel((4, 4)) == (255, 0, 0)


def test_a_draft_is_at_least_as_large_as_asked_and_only_for_jpeg():
    picture = Image.new("RGB", (1600, 800), RED)
    assert decode_image(saved(picture, "JPEG"), draft=112).size == (400, 200)
    assert decode_image(saved(picture, "JPEG"), draft=100).size == (200, 100)
    assert decode_image(saved(picture, "JPEG"), draft=5000).size == (1600, 800)
    assert decode_image(saved(picture), draft=100).size == (1600, 800)


@given(st.integers(20, 900), st.integers(20, 900), st.integers(1, 300))
@settings(max_examples=40, deadline=None)
def test_a_draft_never_goes_below_the_short_side_asked_for(width, height, draft):
    data = saved(Image.new("RGB", (width, height)), "JPEG")
    assert min(decode_image(data, draft=draft).size) >= min(draft, width, height)


def test_zero_bytes_are_told():
    with pytest.raises(UnsupportedImage, match=r"nothing in empty\.jpg: it has zero bytes"):
        decode_image(b"", name="empty.jpg")


@pytest.mark.parametrize("data", [b"hello", b"%PDF-1.7 ...", b"\0" * 500, b"<svg></svg>"])
def test_what_is_no_picture_is_told(data):
    sentence = r"no picture that can be read in notes\.txt: send one of JPEG, PNG"
    with pytest.raises(UnsupportedImage, match=sentence):
        decode_image(data, name="notes.txt")


def test_a_format_that_is_not_allowed_is_told():
    data = saved(Image.new("RGB", (8, 8)), "ICO")
    with pytest.raises(UnsupportedImage, match=r"no picture that can be read in a\.ico"):
        decode_image(data, name="a.ico")
    with pytest.raises(UnsupportedImage, match="send one of JPEG"):
        decode_image(saved(Image.new("RGB", (8, 8))), DecodeLimits(formats=("JPEG",)))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_a_picture_cut_short_is_told(form):
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3)).astype(np.uint8)
    data = saved(Image.fromarray(noise), form)
    with pytest.raises(UnsupportedImage, match=r"(damaged or cut short|can be read)"):
        decode_image(data[: len(data) // 2], name="half")


@given(st.integers(0, 2**32 - 1), st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"]))
@settings(max_examples=150, deadline=None)
def test_damage_is_told_or_read_through_and_never_anything_else(seed, form):
    rng = np.random.default_rng(seed)
    data = bytearray(
        saved(Image.fromarray(rng.integers(0, 256, (24, 24, 3)).astype(np.uint8)), form)
    )
    for place in rng.integers(0, len(data), 8):
        data[place] = rng.integers(0, 256)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow grumbles about broken tags before it gives up
            image = decode_image(bytes(data), DecodeLimits(max_pixels=100_000))
    except (UnsupportedImage, TooLarge):
        return
    assert image.mode == "RGB"


def test_too_many_bytes_are_told():
    data = saved(Image.new("RGB", (8, 8)))
    with pytest.raises(TooLarge, match=f"{len(data)} bytes in big.png, and 20 are allowed"):
        decode_image(data, DecodeLimits(max_bytes=20), name="big.png")


def test_too_many_pixels_are_told_before_any_is_decoded():
    data = saved(Image.new("RGB", (300, 200)))
    with pytest.raises(TooLarge, match=r"in big\.png has 300 x 200 pixels, and 50,000 are allowed"):
        decode_image(data[:60], DecodeLimits(max_pixels=50_000), name="big.png")


def bomb():
    """The header of a PNG of 60,000 x 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    packed = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + packed + struct.pack(">I", 40) + b"IDAT" + bytes(40)


def test_a_decompression_bomb_is_told():
    with pytest.raises(TooLarge, match="too many pixels, and 100,000,000 are allowed"):
        decode_image(bomb())
    with pytest.raises(TooLarge, match="allowed"):
        image_facts(bomb())


def test_a_picture_too_narrow_to_see_anything_in_is_refused():
    with pytest.raises(UnsupportedImage, match=r"1500 x 1 pixels, too narrow .*: crop it"):
        decode_image(saved(Image.new("RGB", (1500, 1))))
    assert decode_image(saved(Image.new("RGB", (500, 10)))).size == (500, 10)
