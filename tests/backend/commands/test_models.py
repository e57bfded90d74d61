from __future__ import annotations

import json
import sys

import pytest
import torch
from typer.testing import CliRunner

from backend.cli import app, main
from tests.backend.composition.checkpoints.conftest import tiny_architectures
from tests.backend.composition.checkpoints.layouts import TINY, combiner, filled, openai_clip

CLIP = filled(openai_clip(TINY))
COMBINER = filled(combiner(16, 32, 64))

__all__ = ["tiny_architectures"]


def run(*words):
    return CliRunner().invoke(app, ["models", *map(str, words)], catch_exceptions=False)


@pytest.fixture
def pair(tmp_path):
    torch.save({"epoch": 9, "CLIP": {**CLIP, "extra": torch.ones(1)}}, tmp_path / "tuned.pt")
    torch.save({"epoch": 3, "Combiner": COMBINER}, tmp_path / "combiner.pt")
    return tmp_path


def test_an_import_says_what_it_made_and_what_was_left_out(pair):
    done = run("import", pair / "tuned.pt", "--out", pair / "model")
    assert done.exit_code == 0
    first, second, *rest = done.stdout.splitlines()
    assert first == f"tuned is in {pair}/model: clip4cir, composing by feature-sum."
    assert second == f"Its towers are the backbone in {pair}/model-backbone; keep both folders."
    assert rest[0] == "Note: tensors in it unknown and left out: 1 (extra)."
    assert rest[1].startswith("Image features have a mean norm of ")
    assert "(ratio " in rest[1]


def test_programs_get_json(pair):
    words = ("--combine-with", pair / "tuned.pt", "--preprocessing", "clip", "--json")
    done = run("import", pair / "combiner.pt", "--out", pair / "model", *words)
    told = json.loads(done.stdout)
    assert told["recipe"] == "combiner"
    assert told["unexpected"] == ["extra"]
    assert told["network_parameters"] == sum(tensor.numel() for tensor in COMBINER.values())
    assert told["backbone"]["preprocessing"] == "clip"
    assert told["norms"]["ratio"] == pytest.approx(told["norms"]["image"] / told["norms"]["text"])


def test_norms_that_differ_much_are_told_with_what_helps(tmp_path):
    torch.save({**CLIP, "text_projection": CLIP["text_projection"] * 9}, tmp_path / "clip.pt")
    words = ("import", tmp_path / "clip.pt", "--out", tmp_path / "model")
    done = run(*words, "--backbone", "Tiny-ViT-quickgelu")
    assert "the two differ much" in done.stdout
    done = run(*words, "--backbone", "Tiny-ViT-quickgelu", "--even-norms")
    assert "mean norm of 10.00, text features of 10.00 (ratio 1.00)" in done.stdout
    assert "It changes 2 tensors of local-dir:" in done.stdout


def test_a_model_is_shown(pair):
    run("import", pair / "tuned.pt", "--out", pair / "model")
    done = run("show", pair / "model")
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["name"].strip() == "tuned"
    assert lines["recipe"].strip() == "clip4cir"
    assert lines["preprocessing"].strip() == "targetpad"
    assert lines["note"].strip() == "imported from tuned.pt"
    card = json.loads(run("show", pair / "model", "--json").stdout)
    assert card["parameters"]["epoch"] == 9


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("import", "no.pt", "--out", "m"), "There is no checkpoint no.pt: check the path."),
        (("show", "m"), "There is no model in m: name a folder that holds a model.json."),
    ],
)
def test_what_is_not_there_is_one_sentence(words, sentence, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["akin", "models", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert capsys.readouterr().err.strip() == sentence
