"""One portable file for all engines."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from backend.errors import Conflict, InvalidInput, NotFound, Unavailable
from backend.gallery.filters import Kind
from backend.gallery.port import Gallery
from backend.gallery.transfer import (
    MAGIC,
    VERSION,
    export_gallery,
    import_gallery,
    packed_gallery,
)
from tests.backend.gallery.conftest import ADAPTERS, DIM, fresh_name, open_test_store, point

KINDS: dict[str, Kind] = {"colour": "keyword", "size": "integer", "weight": "float", "sale": "bool"}


@pytest.fixture
def filled(gallery):
    """More points than one frame holds."""
    for slug, kind in KINDS.items():
        gallery.index_attribute(slug, kind)
    attributes = {"colour": 'größe, "x"', "size": -3, "weight": 0.1, "sale": True}
    gallery.upsert([point(n, attributes=attributes if n % 2 else {}) for n in range(300)])
    return gallery


@pytest.mark.parametrize("target", ADAPTERS)
def test_a_gallery_moves_to_another_engine_and_back(filled, store, target, tmp_path):
    target_store = open_test_store(target, tmp_path)
    assert export_gallery(filled, tmp_path / "there.akin") == 300
    there = import_gallery(tmp_path / "there.akin", target_store, fresh_name())
    export_gallery(there, tmp_path / "back.akin")
    back = import_gallery(tmp_path / "back.akin", store, fresh_name())

    for copy in (there, back):
        assert_same(filled, copy)
    store.drop(back.name)
    target_store.drop(there.name)
    target_store.close()


def test_an_empty_gallery_is_a_file_too(gallery, store, tmp_path):
    assert export_gallery(gallery, tmp_path / "empty.akin") == 0
    copy = import_gallery(tmp_path / "empty.akin", store, fresh_name())
    assert (copy.dim, copy.count()) == (DIM, 0)
    store.drop(copy.name)


def test_every_truncation_and_any_flipped_byte_is_told_and_nothing_is_made(filled, store, tmp_path):
    path = tmp_path / "gallery.akin"
    export_gallery(filled, path)
    whole = path.read_bytes()
    names = store.names()
    damaged = [whole[:size] for size in (12, 20, 40, 1000, len(whole) - 1)]
    damaged += [flipped(whole, position) for position in (13, 100, len(whole) // 2, -1)]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match="truncated or damaged: export the gallery again"):
            import_gallery(path, store, "copy")
    assert store.names() == names


def test_files_that_are_not_ours_or_of_a_newer_akin_are_told(store, tmp_path):
    path = tmp_path / "gallery.akin"
    for content in (b"", b"PK\x03\x04 a zip, say"):
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match="is not a gallery file"):
            import_gallery(path, store, "copy")
    path.write_bytes(struct.pack("<8sI", MAGIC, VERSION + 1) + b"anything")
    with pytest.raises(InvalidInput, match=f"format {VERSION + 1}.*up to {VERSION}: update Akin"):
        import_gallery(path, store, "copy")
    with pytest.raises(NotFound, match=r"no gallery file at .*nowhere\.akin"):
        import_gallery(tmp_path / "nowhere.akin", store, "copy")


def test_an_import_replaces_no_gallery(filled, store, tmp_path):
    export_gallery(filled, tmp_path / "gallery.akin")
    with pytest.raises(Conflict, match="exists already"):
        import_gallery(tmp_path / "gallery.akin", store, filled.name)
    assert filled.count() == 300


def test_a_failed_export_leaves_the_last_one_and_nothing_else(filled, store, tmp_path):
    path = tmp_path / "gallery.akin"
    export_gallery(filled, path)
    before = path.read_bytes()

    class Failing:
        dim = DIM

        def __getattr__(self, name):
            if name == "fetch":
                raise OSError("disk full")
            return getattr(filled, name)

    with pytest.raises(OSError, match="disk full"):
        export_gallery(Failing(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


class Going:
    """A gallery that cannot be read any more after so many calls."""

    def __init__(self, gallery: Gallery, calls: int) -> None:
        self.gallery = gallery
        self.calls = calls

    def __getattr__(self, name):
        if self.calls == 0:
            raise Unavailable("Gallery is closed.")
        self.calls -= 1
        return getattr(self.gallery, name)


def test_a_gallery_that_is_dropped_while_it_is_read_ends_as_a_whole_file(filled, store, tmp_path):
    path = tmp_path / "gallery.akin"
    parts = list(packed_gallery(Going(filled, calls=4), lambda: True))
    path.write_bytes(b"".join(data for data, _ in parts))
    copy = import_gallery(path, store, fresh_name())
    assert copy.count() == sum(count for _, count in parts) == 256
    store.drop(copy.name)
    assert list(packed_gallery(Going(filled, calls=0), lambda: True)) == []


def test_one_that_fails_and_is_still_there_is_no_whole_file(filled):
    with pytest.raises(Unavailable, match="Gallery is closed"):
        list(packed_gallery(Going(filled, calls=4)))


def flipped(content: bytes, position: int) -> bytes:
    changed = bytearray(content)
    changed[position] ^= 1
    return bytes(changed)


def assert_same(one: Gallery, other: Gallery) -> None:
    ids = one.scroll(None, 1000)
    assert other.scroll(None, 1000) == ids
    assert other.indexed_attributes() == one.indexed_attributes()
    first, second = one.fetch(ids), other.fetch(ids)
    for i in ids:
        assert first[i].payload == second[i].payload
        assert first[i].norm == second[i].norm
        np.testing.assert_allclose(first[i].vector, second[i].vector, atol=1e-6)
