"""Features of frozen towers: computed once, for whoever asks, and never of the wrong thing."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.encoding.backbone import Backbone, BackboneSpec, load_backbone
from backend.encoding.decoding import decode_image
from backend.errors import InvalidInput, NoSpace
from tests.disks import small_disk
from workers.trainer import feature_encoding
from workers.trainer.features import FeatureCache, default_root


class Told:
    """Progress that keeps what it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        self.calls.append((done, total))


def picture(number: int) -> bytes:
    """A picture of its own for each number."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Ten pictures in files."""
    (tmp_path / "images").mkdir()
    paths = {f"p{n}": tmp_path / "images" / f"{n}.png" for n in range(10)}
    for number, path in enumerate(paths.values()):
        path.write_bytes(picture(number))
    return paths


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "features")


def encoded(backbone: Backbone, *numbers: int) -> np.ndarray:
    see = backbone.preprocessing
    pictures = [decode_image(picture(n), draft=see.draft) for n in numbers]
    return backbone.encode_images(np.stack([see.pixels(image) for image in pictures]))


def test_they_are_what_the_backbone_gives_in_the_order_asked_for(backbone, cache, files):
    names = ["p3", "p1", "p9"]
    found = cache.image_features(backbone, {name: files[name] for name in names})
    assert found.names == tuple(names)
    np.testing.assert_allclose(found.array, encoded(backbone, 3, 1, 9), rtol=1e-5, atol=1e-6)
    assert found.array.dtype == np.float32


def test_nothing_is_computed_twice_by_whatever_run_and_name(backbone, cache, files, tmp_path):
    first, again, renamed = Told(), Told(), Told()
    cache.image_features(backbone, files, first)
    same = FeatureCache(cache.root)
    found = same.image_features(backbone, files, again)
    other = same.image_features(backbone, {"x": picture(4), "y": files["p2"]}, renamed)
    assert first.calls[-1] == (10, 10)
    assert again.calls == renamed.calls == []
    np.testing.assert_array_equal(other.array, found.take(np.array([4, 2])))


def test_only_what_is_missing_is_computed(backbone, cache, files):
    told = Told()
    cache.image_features(backbone, {name: files[name] for name in list(files)[:7]})
    cache.image_features(backbone, files, told)
    assert told.calls[-1] == (3, 3)


def test_a_picture_that_changed_has_new_features(backbone, cache, files):
    before = cache.image_features(backbone, files).array.copy()
    files["p0"].write_bytes(picture(77))
    after = cache.image_features(backbone, files).array
    np.testing.assert_allclose(after[0], encoded(backbone, 77)[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(after[1:], before[1:])


def test_another_preprocessing_is_another_gallery_of_features(backbone, cache, files, tiny):
    told = Told()
    cache.image_features(backbone, files)
    padded = load_backbone(replace(backbone.spec, preprocessing="squarepad"), threads=1)
    found = cache.image_features(padded, files, told)
    assert told.calls[-1] == (10, 10)
    assert not np.allclose(found.array, cache.image_features(backbone, files).array)


def test_in_the_order_they_were_computed_they_are_mapped_and_not_read(backbone, cache, files):
    assert isinstance(cache.image_features(backbone, files).array, np.memmap)
    shuffled = {name: files[name] for name in reversed(files)}
    np.testing.assert_array_equal(
        cache.image_features(backbone, shuffled).array,
        cache.image_features(backbone, files).array[::-1],
    )


def test_pictures_that_cannot_be_used_are_named_and_the_rest_is_there(backbone, cache, files):
    files["p2"].write_bytes(b"no picture at all")
    files["p5"].unlink()
    files["p7"].write_bytes(b"")
    files["copy of p2"] = files["p2"]
    found = cache.image_features(backbone, files)
    assert found.unreadable.keys() == {"p2", "p5", "p7", "copy of p2"}
    assert str(files["p2"]) in found.unreadable["p2"]
    assert f"There is no file {files['p5']}" in found.unreadable["p5"]
    assert found.names == ("p0", "p1", "p3", "p4", "p6", "p8", "p9")
    np.testing.assert_allclose(
        found.array, encoded(backbone, 0, 1, 3, 4, 6, 8, 9), rtol=1e-5, atol=1e-6
    )
    with pytest.raises(InvalidInput, match=r"4 of 11 pictures cannot be used, first p"):
        found.require_all()
    with pytest.raises(InvalidInput, match="no features of the picture p5: There is no file"):
        found.rows_of(["p1", "p5"])
    with pytest.raises(InvalidInput, match="p99: it is not among"):
        found.rows_of(["p99"])


def test_all_there_is_themselves(backbone, cache, files):
    found = cache.image_features(backbone, files)
    assert found.require_all() is found
    assert found.rows_of(["p9", "p0", "p9"]).tolist() == [9, 0, 9]


def test_no_pictures_are_no_features(backbone, cache):
    assert cache.image_features(backbone, {}).array.shape == (0, backbone.dim)


def test_features_without_a_direction_are_named(tiny, cache, files):
    broken = load_backbone(BackboneSpec(f"local-dir:{tiny}"), threads=1)
    forward = broken._model.encode_image

    def nan_for_dark(pixels, **options):
        """A tower whose numbers overflow on one picture."""
        features = forward(pixels, **options)
        features[pixels.mean(dim=(1, 2, 3)) < -0.5] = float("nan")
        return features

    broken._model.encode_image = nan_for_dark
    Image.new("RGB", (40, 40)).save(files["p6"])
    found = cache.image_features(broken, files)
    assert list(found.unreadable) == ["p6"]
    assert "no direction" in found.unreadable["p6"]
    assert len(found.array) == 9


def test_a_cancelled_run_keeps_what_it_computed(backbone, cache, files, monkeypatch):
    monkeypatch.setattr(feature_encoding, "IMAGE_BATCH", 4)
    told = Told()

    def cancel(done: int, total: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.image_features(backbone, files, cancel)
    cache.image_features(backbone, files, told)
    assert told.calls == [(2, 2)]


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(backbone, files, tmp_path):
    with small_disk(tmp_path / "disk", 1) as disk:
        cache = FeatureCache(disk.root / "features")
        cache.image_features(backbone, {"p0": files["p0"]})
        disk.fill()
        with pytest.raises(NoSpace, match="is full"):
            cache.text_features(backbone, [f"text {n}" for n in range(1_000)])
        disk.make_room()
        assert len(cache.image_features(backbone, files).require_all().array) == 10


def test_texts_are_encoded_once_each_in_the_order_asked_for(backbone, cache):
    texts = ["red", "a very long sentence about a long red dress", "", "red", "blue shirt"]
    told, again = Told(), Told()
    found = cache.text_features(backbone, texts, told)
    np.testing.assert_allclose(found, backbone.encode_texts(texts), rtol=1e-4, atol=1e-5)
    assert told.calls[-1] == (4, 4)
    np.testing.assert_array_equal(
        FeatureCache(cache.root).text_features(backbone, texts[::-1], again), found[::-1]
    )
    assert again.calls == []


def test_texts_of_many_lengths_come_back_in_their_order(backbone, cache, monkeypatch):
    monkeypatch.setattr(feature_encoding, "TEXT_BATCH", 3)
    monkeypatch.setattr(feature_encoding, "SORTED_TEXTS", 7)
    texts = [" ".join(["word"] * (n * 7 % 11 + 1)) + f" {n}" for n in range(20)]
    found = cache.text_features(backbone, texts)
    np.testing.assert_allclose(found, backbone.encode_texts(texts), rtol=1e-4, atol=1e-5)
    assert isinstance(found, np.memmap)


def test_pictures_and_texts_of_towers_do_not_mix(backbone, cache, files):
    cache.image_features(backbone, files)
    cache.text_features(backbone, ["red"])
    folders = {path.parent.relative_to(cache.root) for path in cache.root.rglob("rows.bin")}
    assert Path(backbone.fingerprint, "images") in folders
    assert Path(backbone.text_fingerprint, "texts") in folders


def test_by_default_they_lie_in_the_users_cache():
    assert default_root().name == "features"
    assert "akin" in default_root().parts
