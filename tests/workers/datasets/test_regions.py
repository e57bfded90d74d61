from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from backend.errors import InvalidInput, TooLarge, UnsupportedImage
from workers.datasets.regions import Region, cut, read_picture, region_bytes


@pytest.fixture
def ramp() -> Image.Image:
    """40 x 20 pixels; red says the column, green the row."""
    rows, columns = np.mgrid[0:20, 0:40]
    return Image.fromarray(np.stack([columns, rows, columns * 0], axis=2).astype(np.uint8))


def test_a_crop_holds_every_pixel_that_the_box_touches(ramp):
    assert np.array_equal(
        np.asarray(cut(ramp, Region((2.5, 3.0, 6.1, 9.0)), 8)), np.asarray(ramp)[3:9, 2:7]
    )


def test_a_box_that_reaches_beyond_the_image_ends_at_its_edge(ramp):
    assert cut(ramp, Region((-5, -5, 100, 100)), 8).size == (40, 20)


@pytest.mark.parametrize("box", [(40, 0, 50, 10), (5, 5, 5, 9), (9, 9, 3, 3), (-9, 0, -1, 5)])
def test_a_box_without_a_pixel_is_told(ramp, box):
    with pytest.raises(InvalidInput, match="lies outside its image of 40 x 20 pixels"):
        cut(ramp, Region(box), 8)


def test_a_padded_crop_stands_in_the_middle_of_a_black_square(ramp):
    pixels = np.asarray(cut(ramp, Region((10, 4, 20, 8), shape="padded"), 8))
    assert pixels.shape == (10, 10, 3)
    assert np.array_equal(pixels[3:7], np.asarray(ramp)[4:8, 10:20])
    assert not pixels[:3].any()
    assert not pixels[7:].any()


def test_a_stretched_crop_is_resized_straight_to_the_tower_and_loses_no_edge(ramp):
    pixels = np.asarray(cut(ramp, Region((0, 0, 40, 20), shape="stretched"), 8))
    assert pixels.shape == (8, 8, 3)
    assert pixels[0, 0, 0] < 4
    assert pixels[0, -1, 0] > 35


def test_outside_its_outlines_an_instance_is_white(ramp):
    corners = (2.0, 2.0, 7.0, 2.0, 7.0, 7.0, 2.0, 7.0)
    other = (20.0, 2.0, 25.0, 2.0, 25.0, 7.0, 20.0, 7.0)
    pixels = np.asarray(cut(ramp, Region((0, 0, 40, 20), (corners, other)), 8))
    assert np.array_equal(pixels[2:8, 2:8], np.asarray(ramp)[2:8, 2:8])
    assert np.array_equal(pixels[2:8, 20:26], np.asarray(ramp)[2:8, 20:26])
    white = (pixels == 255).all(axis=2)
    assert white.sum() == 40 * 20 - 2 * 36


def test_the_bytes_of_a_region_are_the_same_picture_without_loss(tmp_path, ramp):
    ramp.save(tmp_path / "ramp.png")
    region = Region((1, 1, 9, 5), shape="padded")
    told = Image.open(io.BytesIO(region_bytes(tmp_path / "ramp.png", region, 8)))
    assert np.array_equal(np.asarray(told), np.asarray(cut(ramp, region, 8)))


def test_only_regular_files_are_read(tmp_path):
    for path in (tmp_path, tmp_path / "gone.jpg", tmp_path / "a\0b"):
        with pytest.raises(InvalidInput, match=r"is not a file|cannot be read"):
            read_picture(path)
    with pytest.raises(InvalidInput, match="is not a file"):
        read_picture(type(tmp_path)("/dev/zero"))


def test_a_damaged_file_is_told_by_its_name(tmp_path):
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(UnsupportedImage, match=r"cut\.png"):
        region_bytes(tmp_path / "cut.png", Region((0, 0, 1, 1)), 8)


def test_a_file_over_the_limit_is_not_read_whole(tmp_path):
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(60_000_000)
    assert len(read_picture(path)) == 50_000_001
    with pytest.raises(TooLarge, match=r"huge\.jpg"):
        region_bytes(path, Region((0, 0, 1, 1)), 8)
