"""Artefacts in the blob store: packed once, unpacked where they are used, read without trust."""

from __future__ import annotations

import io
import stat
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.blobs import BlobStore
from backend.composition.artefact import read_card
from backend.encoding.backbone import Backbone
from backend.errors import InvalidInput, NotFound, TooLarge
from backend.registry.artefacts import LARGEST, Artefacts, unpack
from tests.backend.composition.trained_models import write_model

ROOM = 10**9


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore((tmp_path / "blobs").as_uri())


@pytest.fixture
def artefacts(blobs: BlobStore, tmp_path: Path) -> Artefacts:
    return Artefacts(blobs, tmp_path / "cache")


@pytest.fixture
def combiner(tiny: Backbone, tmp_path: Path) -> Path:
    return write_model(tmp_path / "combiner", tiny, "combiner")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def zipped(files: dict[str, bytes], **options) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    buffer.seek(0)
    return buffer


def test_what_is_kept_comes_back_on_every_machine(artefacts, blobs, combiner, tmp_path):
    sha256 = artefacts.keep(combiner)
    elsewhere = Artefacts(blobs, tmp_path / "elsewhere")
    for found in (artefacts.folder(sha256), elsewhere.folder(sha256)):
        assert contents(found) == contents(combiner)
    assert read_card(elsewhere.folder(sha256)).name == "my-combiner"


def test_equal_models_are_one_blob(artefacts, combiner, tiny, tmp_path):
    again = write_model(tmp_path / "again", tiny, "combiner")
    assert artefacts.keep(again) == artefacts.keep(combiner)


def test_a_blob_that_was_changed_is_refused(artefacts, combiner, tmp_path):
    sha256 = artefacts.keep(combiner)
    (stored,) = (tmp_path / "blobs" / "artefacts").glob(f"*/{sha256}")
    data = bytearray(stored.read_bytes())
    data[100] ^= 1
    stored.write_bytes(data)
    with pytest.raises(InvalidInput, match=f"The stored model {sha256} is damaged: import it"):
        artefacts.folder(sha256)
    assert not list((tmp_path / "cache").iterdir())


def test_one_that_was_discarded_is_gone(artefacts, combiner):
    sha256 = artefacts.keep(combiner)
    artefacts.folder(sha256)
    artefacts.discard(sha256)
    artefacts.discard(sha256)
    with pytest.raises(NotFound, match=f"The stored model {sha256} is gone: import it again"):
        artefacts.folder(sha256)


def test_a_folder_without_a_card_is_no_model(artefacts, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match=r"There is no model\.json in .*: name a model's folder"):
        artefacts.keep(tmp_path / "empty")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "model.json is missing or doubled"),
        ({"model.json": b"{}", "../../evil": b"x"}, "it holds '../../evil'"),
        ({"model.json": b"{}", "/etc/cron.d/evil": b"x"}, "it holds '/etc/cron.d/evil'"),
        ({"model.json": b"{}", "weights.pkl": b"x"}, "it holds 'weights.pkl'"),
        ({"composer.safetensors": b"x"}, "model.json is missing or doubled"),
    ],
)
def test_nothing_but_a_models_files_is_taken_from_a_zip(files, told, tmp_path):
    with pytest.raises(InvalidInput) as refused:
        unpack(zipped(files), tmp_path / "model", ROOM)
    assert refused.value.sentence == (
        f"This is no packed model ({told}): a model's zip holds model.json, "
        "composer.safetensors, towers.safetensors and nothing else, as `akin models export` "
        "writes it."
    )
    assert not list((tmp_path / "model").iterdir())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_comes_twice_is_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model.json", b"{}")
        archive.writestr("model.json", b"[]")
    with pytest.raises(InvalidInput, match=r"model\.json is missing or doubled"):
        unpack(buffer, tmp_path / "model", ROOM)


def test_a_link_comes_out_as_a_plain_file(tmp_path):
    facts = zipfile.ZipInfo("model.json")
    facts.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(facts, "/etc/passwd")
    unpack(buffer, tmp_path / "model", ROOM)
    assert not (tmp_path / "model" / "model.json").is_symlink()


def test_a_zip_that_grows_beyond_its_bound_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setitem(LARGEST, "model.json", 1000)
    bomb = zipped({"model.json": bytes(10_000_000)}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(TooLarge, match=r"model\.json of the model has more than the 1,000 bytes"):
        unpack(bomb, tmp_path / "model", ROOM)
    assert (tmp_path / "model" / "model.json").stat().st_size == 0


def test_all_files_together_have_a_bound(tmp_path):
    packed = zipped({"model.json": bytes(900), "composer.safetensors": bytes(900)})
    with pytest.raises(TooLarge, match=r"composer\.safetensors of the model has more than the 100"):
        unpack(packed, tmp_path / "model", 1000)


def test_a_models_file_that_is_too_large_is_not_packed(artefacts, combiner, monkeypatch):
    monkeypatch.setitem(LARGEST, "composer.safetensors", 10)
    with pytest.raises(TooLarge, match=r"composer\.safetensors of the model has more than the 10"):
        artefacts.keep(combiner)


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=400), cut=st.integers(0, 200), flip=st.integers(0, 199))
def test_any_bytes_are_refused_in_a_sentence_or_unpacked(data, cut, flip, tmp_path_factory):
    """Noise, and a packed model that was cut off or changed in one byte."""
    whole = zipped({"model.json": b"{}" * 20}).getvalue()
    changed = bytearray(whole)
    changed[flip % len(whole)] ^= 0xFF
    for sample in (data, whole[:cut], bytes(changed)):
        folder = tmp_path_factory.mktemp("packed") / "model"
        with suppress(InvalidInput, TooLarge):  # any other failure is a traceback for a user
            unpack(io.BytesIO(sample), folder, ROOM)
        assert {path.name for path in folder.iterdir()} <= LARGEST.keys()
