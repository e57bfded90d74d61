from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image

from workers.recipes.positives.duplicates import distinct_images, pixel_hash


def quiet(stage, done, total):
    pass


def never():
    return False


def find(pictures, report=quiet, cancelled=never):
    return distinct_images(pictures, report, cancelled)


@pytest.fixture
def noise():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8))


def test_the_same_pixels_in_other_formats_are_one_picture(noise, tmp_path):
    noise.save(tmp_path / "a.png")
    noise.save(tmp_path / "b.png", compress_level=0)
    noise.save(tmp_path / "c.bmp")
    noise.save(tmp_path / "d.webp", lossless=True)
    noise.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "e.png")
    found = find({path.stem: path for path in sorted(tmp_path.iterdir())})
    assert list(found.kept) == ["a", "e"]
    assert found.same_as == {"b": "a", "c": "a", "d": "a"}
    assert found.complete
    assert found.representative("d") == "a"
    assert found.representative("e") == "e"


def test_one_bit_makes_another_picture(noise, tmp_path):
    noise.save(tmp_path / "a.png")
    noise.putpixel((3, 3), tuple(value ^ 1 for value in noise.getpixel((3, 3))))
    noise.save(tmp_path / "b.png")
    assert list(find({"a": tmp_path / "a.png", "b": tmp_path / "b.png"}).kept) == ["a", "b"]


def test_the_same_bytes_in_another_shape_are_another_picture():
    wide, tall = (Image.new("RGB", size, "red") for size in ((6, 4), (4, 6)))
    assert wide.tobytes() == tall.tobytes()
    assert pixel_hash(wide) != pixel_hash(tall)
    assert pixel_hash(wide) == hashlib.sha256(b"6 x 4 " + wide.tobytes()).digest()


def test_a_picture_on_its_side_with_the_tag_that_turns_it_is_the_upright_one(noise, tmp_path):
    noise.save(tmp_path / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 270 degrees
    noise.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "lying.png", exif=exif)
    found = find({name: tmp_path / f"{name}.png" for name in ("upright", "lying")})
    assert found.same_as == {"lying": "upright"}


def test_what_cannot_be_read_is_named_with_the_reason(noise, tmp_path):
    noise.save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes((tmp_path / "good.png").read_bytes()[:90])
    (tmp_path / "text.png").write_text("no picture")
    names = ("good", "bad", "text", "gone")
    found = find({name: tmp_path / f"{name}.png" for name in names})
    assert list(found.kept) == ["good"]
    assert list(found.unreadable) == ["bad", "text", "gone"]
    assert "damaged or cut short" in found.unreadable["bad"]
    assert "no picture that can be read" in found.unreadable["text"]
    assert "gone.png cannot be read (no such file or directory)" in found.unreadable["gone"]


def test_order_and_progress_hold_for_more_pictures_than_are_in_work_at_once(tmp_path):
    for number in range(70):
        Image.new("RGB", (2, 2), (number % 40, 0, 0)).save(tmp_path / f"{number:02}.png")
    pictures = {path.stem: path for path in sorted(tmp_path.iterdir())}
    calls = []
    found = find(pictures, lambda *call: calls.append(call))
    assert list(found.kept) == [f"{number:02}" for number in range(40)]
    assert found.same_as == {f"{number:02}": f"{number - 40:02}" for number in range(40, 70)}
    assert calls == [("duplicates", done, 70) for done in range(1, 71)]


def test_a_cancelled_search_says_that_it_is_not_complete(noise, tmp_path):
    noise.save(tmp_path / "a.png")
    found = find({"a": tmp_path / "a.png"}, cancelled=lambda: True)
    assert not found.complete
    assert found.kept == {}
