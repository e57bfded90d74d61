"""Artefacts that are refused: damaged, newer, hostile, or of another backbone."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest

from backend.composition.artefact import load_model, read_card, write_artefact
from backend.composition.networks import Phi
from backend.encoding.backbone import load_backbone
from backend.errors import InvalidInput, NotFound
from tests.backend.composition.trained_models import card, write_model
from tests.backend.search.shop import load_tiny_backbone, write_tiny_backbone


def edit(folder: Path, **changes) -> None:
    facts = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**facts, **changes}))


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(NotFound, match=r"no model in .*nowhere: name a folder that holds a model"):
        load_model(tmp_path / "nowhere")


def test_a_newer_format_is_told(written, tiny):
    edit(written, format=2, composer="something new")
    with pytest.raises(
        InvalidInput, match="has format 2, and this Akin reads up to 1: use a newer"
    ):
        load_model(written, backbone=tiny)


@pytest.mark.parametrize("text", ['{"format": 1, "name"', "", "\0", "[1]", "null", "\ud800"])
def test_a_card_that_is_no_card_is_damaged(written, text):
    (written / "model.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InvalidInput, match=r"model\.json is damaged \("):
        read_card(written)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dim": "many"}, "dim: "),
        ({"composer": {"kind": "magic"}}, r"composer\.kind: "),
        ({"composer": {"kind": "phi"}}, "an inversion has a prompt"),
        ({"composer": {"kind": "sum", "prompt": "$"}}, "an inversion has a prompt"),
        ({"composer": {"kind": "phi", "prompt": "a photo"}}, "has no places for the picture"),
        ({"composer": {"kind": "sum", "centred": True}}, "needs both means"),
        ({"image_mean": [1.0]}, "another size than the features"),
        ({"name": "a\nb"}, "name: "),
        ({"created": "yesterday"}, "created: "),
    ],
)
def test_a_card_whose_facts_do_not_hold_is_damaged(written, change, reason):
    edit(written, **change)
    with pytest.raises(InvalidInput, match=rf"model\.json is damaged \(.*{reason}"):
        read_card(written)


def test_damaged_weights_are_told(written, tiny):
    file = written / "composer.safetensors"
    whole = file.read_bytes()
    for damaged in (whole[:100], whole[:-8], b"", b"\xff" * 64):
        file.write_bytes(damaged)
        with pytest.raises(InvalidInput, match=r"composer\.safetensors is damaged"):
            load_model(written, backbone=tiny)
    file.unlink()
    with pytest.raises(InvalidInput, match=r"There is no composer\.safetensors beside"):
        load_model(written, backbone=tiny)


class Trap:
    """Unpickling this would call `open`, and leave a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_in_an_artefact_is_executed(written, tiny, tmp_path):
    trace = tmp_path / "trace"
    (written / "composer.safetensors").write_bytes(pickle.dumps(Trap(trace)))
    (written / "towers.safetensors").write_bytes(pickle.dumps(Trap(trace)))
    with pytest.raises(InvalidInput, match=r"composer\.safetensors is damaged"):
        load_model(written, backbone=tiny)
    with pytest.raises(InvalidInput, match=r"towers\.safetensors is damaged"):
        load_model(written)
    assert not trace.exists()


def test_weights_of_another_method_are_told(written, tiny):
    edit(written, composer={"kind": "combiner"})
    with pytest.raises(InvalidInput, match="not those of a network of the kind combiner"):
        load_model(written, backbone=tiny)


def test_a_network_of_another_size_is_told(tmp_path, tiny):
    for dim, width, sentence in ((8, 32, "made for 8 features"), (16, 24, "24 numbers in a token")):
        write_artefact(tmp_path / "model", card(tiny, "phi"), Phi(dim, width).state_dict())
        with pytest.raises(InvalidInput, match=f"{sentence}.*, and its backbone has"):
            load_model(tmp_path / "model", backbone=tiny)


def test_a_model_of_another_image_tower_is_refused(written, other):
    sentence = "my-phi was trained on a backbone with another image tower .*, or train the model"
    with pytest.raises(InvalidInput, match=sentence):
        load_model(written, backbone=other)


def test_a_model_of_another_text_tower_is_refused(written, tiny):
    overlay = {"text_projection": tiny.model.text_projection + 1}
    changed = load_backbone(tiny.spec, device="cpu", overlay=overlay)
    with pytest.raises(InvalidInput, match="a backbone with another text tower"):
        load_model(written, backbone=changed)


def test_a_model_of_features_of_another_size_is_refused(written, tiny):
    edit(written, dim=640)
    with pytest.raises(InvalidInput, match="whose features have 640 numbers, not 16"):
        load_model(written, backbone=tiny)


def test_a_backbone_that_changed_under_its_name_is_refused(tmp_path):
    folder = write_tiny_backbone(tmp_path / "backbone")
    write_model(tmp_path / "model", load_tiny_backbone(folder), "combiner")
    shutil.rmtree(folder)
    write_tiny_backbone(folder, seed=1)
    with pytest.raises(InvalidInput, match="another image tower"):
        load_model(tmp_path / "model", device="cpu")
