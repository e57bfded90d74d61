from __future__ import annotations

import pytest

from backend.errors import InvalidInput
from tests.workers.datasets.samples import write_images
from workers.datasets.image_files import images_by_name
from workers.datasets.image_folder import load, splits_in


def test_every_picture_below_is_in_the_gallery_by_its_relative_path(tmp_path):
    write_images(tmp_path, "b.jpg", "a/x.png", "a/x.JPG", ".hidden/y.png", "a/.z.png")
    (tmp_path / "notes.txt").write_text("no picture")
    (split,) = load(tmp_path)
    assert split.gallery == ("a/x.JPG", "a/x.png", "b.jpg")  # those of one stem are two pictures
    assert split.triplets == ()
    assert not split.missing
    assert splits_in(tmp_path) == ("all",)


def test_a_sub_folder_is_a_split(tmp_path):
    write_images(tmp_path, "train/a.png", "val/b.png")
    assert load(tmp_path, "val")[0].gallery == ("b.png",)


def test_a_folder_without_pictures_is_told(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    assert splits_in(tmp_path) == ()
    with pytest.raises(InvalidInput, match=r"no pictures in .*: it needs files that end in \.jpg,"):
        load(tmp_path)


def test_of_two_files_of_one_name_the_jpeg_is_taken(tmp_path):
    write_images(tmp_path, "a.png", "sub/a.jpg", "b.tiff", "b.webp")
    found = images_by_name(tmp_path)
    assert found == {"a": tmp_path / "sub/a.jpg", "b": tmp_path / "b.webp"}


def test_names_may_have_dots(tmp_path):
    write_images(tmp_path, "v1.2.png")
    assert set(images_by_name(tmp_path)) == {"v1.2"}


def test_a_link_to_the_folder_is_followed_and_links_in_it_are_not(tmp_path):
    write_images(tmp_path / "real", "a.png")
    (tmp_path / "real/loop").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    assert images_by_name(tmp_path / "link") == {"a": tmp_path / "link/a.png"}


def test_nothing_is_found_where_no_folder_is(tmp_path):
    assert images_by_name(tmp_path / "gone") == {}
