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

from backend.encoding.decoding import DecodeLimits, decode_image, image_facts, open_image
from backend.errors import TooLarge, UnsupportedImage
from tests.backend.encoding import hostile

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


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_is_taken_of_every_kind_of_animation(form):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "green")]
    options = {"lossless": True} if form == "WEBP" else {}
    data = saved(frames[0], form, save_all=True, append_images=frames[1:], **options)
    assert decode_image(data).getpixel((4, 4)) == (255, 0, 0)


def test_sixteen_bits_of_colour_are_read():
    row = b"\0" + struct.pack(">HHH", 0xFF00, 0x8000, 0x0080) * 8
    data = hostile.png(8, 8, zlib.compress(row * 8), depth=16, colours=2)
    assert decode_image(data).getpixel((3, 3)) == (255, 128, 0)


def test_sixteen_bits_are_rounded_to_the_nearest():
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    image = np.asarray(decode_image(saved(Image.fromarray(deep))))[..., 0]
    np.testing.assert_array_equal(image, np.round(deep / 257).astype(np.uint8))


def test_a_deep_picture_of_many_strips_is_one_picture():
    deep = np.linspace(0, 65535, 3000 * 3000).astype(np.uint16).reshape(3000, 3000)
    image = np.asarray(decode_image(saved(Image.fromarray(deep), compress_level=1)))[..., 0]
    np.testing.assert_array_equal(image, ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8))


def test_numbers_that_are_none_do_not_stop_a_float_picture():
    light = np.array([[0, np.nan, np.inf, 2], [-np.inf, -1, 1, 4]], dtype=np.float32)
    image = decode_image(saved(Image.fromarray(light), "TIFF"))
    assert image.size == (4, 2)


def test_a_palette_with_transparency_is_flattened():
    image = Image.new("P", (12, 12), 1)
    image.putpalette([0, 0, 0, *RED, 0, 0, 255])
    image.putpixel((6, 6), 0)
    image.putpixel((7, 7), 2)
    flat = decode_image(saved(image, transparency=bytes([0, 255, 128])))
    assert flat.getpixel((6, 6)) == (255, 255, 255)
    assert flat.getpixel((0, 0)) == RED
    assert close(flat.getpixel((7, 7)), (127, 127, 255), by=1)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_tags_that_cannot_be_read_do_not_cost_the_picture():
    """An EXIF block that is no EXIF at all, and one that says a strange orientation."""
    good = saved(Image.new("RGB", (30, 20), RED), "JPEG")
    words = b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0up\0\0" + bytes(4)  # as orientation
    for block in (b"II*\0\xff\xff\xff\xff", b"MM\0*" + bytes(3), words[:10], words):
        exif = b"Exif\0\0" + block
        data = good[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + good[2:]
        assert decode_image(data).size == (30, 20)


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


def test_a_png_of_thirty_thousand_pixels_a_side_is_told_though_all_of_them_are_there():
    data = hostile.huge_png()
    assert len(data) < 200_000
    with pytest.raises(
        TooLarge,
        match=r"^The picture in huge\.png has too many pixels, and 100,000,000 are allowed: "
        r"send a smaller picture\.$",
    ):
        decode_image(data, name="huge.png")


@pytest.mark.parametrize("frame", [(1, 1), (65_535, 65_535)])
def test_a_gif_with_a_huge_screen_or_frame_is_told(frame):
    screen = (65_535, 65_535) if frame == (1, 1) else (10, 10)
    with pytest.raises(TooLarge, match=r"in big\.gif has too many pixels"):
        decode_image(hostile.gif(screen, frame), name="big.gif")


@pytest.mark.parametrize(
    "options",
    [{}, {"lossless": True}, {"exif": b"Exif\0\0"}, {"save_all": True, "append_images": []}],
    ids=["lossy", "lossless", "extended", "one-frame"],
)
def test_a_webp_is_measured_before_its_reader_makes_room(options):
    """All three kinds of header, and one that lies: its 16,383 x 16,383 pixels take 2 GiB."""
    data = saved(Image.new("RGB", (300, 200), RED), "WEBP", **options)
    with pytest.raises(TooLarge, match=r"in a\.webp has 300 x 200 pixels, and 50,000 are allowed"):
        decode_image(data[:60], DecodeLimits(max_pixels=50_000), name="a.webp")
    assert decode_image(data, DecodeLimits(max_pixels=60_000)).size == (300, 200)
    if data[12:16] == b"VP8X":
        lying = data[:24] + b"\xfe\x3f\0\xfe\x3f\0" + data[30:]
        with pytest.raises(TooLarge, match=r"has 16383 x 16383 pixels, and 100,000,000 are"):
            decode_image(lying)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_text_that_swells_a_thousandfold_is_told(kind):
    with pytest.raises(UnsupportedImage, match=r"in a\.png is damaged or cut short"):
        decode_image(hostile.text_bomb(kind), name="a.png")


@pytest.mark.parametrize(
    "data",
    [
        hostile.png(100, 100, hostile.zeros(100 * 101), colours=hostile.COLOUR),
        hostile.png(100, 100, b"no rows at all"),
        hostile.lying_tiff(strip_bytes=0xFFFFFFF0),
        hostile.lying_tiff(strip_bytes=0xFFFFFFF0, compression=8),
        hostile.lying_tiff(rows=0x7FFFFFFF, compression=8),
        hostile.lying_tiff(tile_width=60_000, tile_height=60_000, tile_at=200, tile_bytes=50),
        hostile.lying_tiff(
            tile_width=60_000, tile_height=60_000, tile_at=200, tile_bytes=50, compression=8
        ),
        hostile.gif((10, 10), (9000, 9000)),
    ],
)
def test_a_header_that_promises_more_than_there_is_is_told(data):
    with pytest.raises(UnsupportedImage, match=r"in liar is damaged or cut short: send it again"):
        decode_image(data, name="liar")


def test_rows_behind_those_of_the_header_are_left_where_they_are():
    data = hostile.png(10, 10, hostile.zeros(5_000 * 5_000))
    assert decode_image(data).size == (10, 10)


def test_a_picture_is_loaded_once():
    picture = open_image(saved(Image.new("RGB", (8, 8))))
    picture.load()
    with pytest.raises(ValueError, match="loaded once"):
        picture.load()


@pytest.mark.parametrize(
    ("size", "form", "draft", "large"),
    [
        ((4000, 4000), "PNG", None, False),
        ((4001, 4000), "PNG", None, True),
        ((6000, 6000), "JPEG", None, True),
        ((6000, 6000), "JPEG", 448, False),
        ((7000, 7000), "JPEG", 448, True),
    ],
)
def test_large_is_what_takes_much_memory_to_decode(size, form, draft, large):
    data = saved(Image.new("L", size), form)
    assert open_image(data, draft=draft).is_large is large


def test_a_picture_too_narrow_to_see_anything_in_is_refused():
    with pytest.raises(UnsupportedImage, match=r"1500 x 1 pixels, too narrow .*: crop it"):
        decode_image(saved(Image.new("RGB", (1500, 1))))
    assert decode_image(saved(Image.new("RGB", (500, 10)))).size == (500, 10)
