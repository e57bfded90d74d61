"""New triplets from the command line, over a small Wardrobe and the shipped backbone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from backend.cli import app
from backend.errors import InvalidInput
from workers.datasets.wardrobe.dataset import write_dataset

ROOT = Path(__file__).parents[3]
ALL = "captions/cap.extend_mine.train.json"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wardrobe") / "shop"
    write_dataset(folder, 60, seed=2, size=64)
    return folder


def run(*arguments):
    return CliRunner().invoke(app, ["dataset", *map(str, arguments)])


def test_triplets_are_made_and_those_that_a_review_accepted_kept(shop, tmp_path):
    options = ["--data", shop, "--out", tmp_path, "--device", "cpu", "--cache", tmp_path / "cache"]
    options += ["--set", "templates=[2]", "--set", "review_pairs=5", "--set", "name=mine"]
    made = run("spn-positives", *options)
    assert made.exit_code == 0
    assert "36 new triplets of 36 references among 36 pictures" in made.output
    rows = json.loads((tmp_path / ALL).read_text(encoding="utf-8"))
    assert all(row["captions"] == [row["caption2"]] for row in rows)
    sheet = (tmp_path / "review/review-001.html").read_text(encoding="utf-8")
    assert sheet.count('type="checkbox"') == 5
    (tmp_path / "accepted-001.json").write_text(json.dumps(rows[:3]), encoding="utf-8")
    kept = run("accept", tmp_path / "accepted-001.json", "--out", tmp_path, "--name", "mine")
    assert "3 accepted triplets are in" in kept.output
    accepted = tmp_path / "captions/cap.extend_mine_accepted.train.json"
    assert json.loads(accepted.read_text(encoding="utf-8")) == rows[:3]


def test_programs_get_the_summary(shop, tmp_path):
    options = ["--data", shop, "--out", tmp_path, "--device", "cpu", "--cache", tmp_path / "cache"]
    made = run("spn-positives", *options, "--json")
    told = json.loads(made.stdout)
    assert (told["triplets"], told["stopped"], told["band"]) == (36, "done", [14, 28])
    assert all(Path(file).is_file() for file in told["files"])


def test_options_are_listed_with_their_defaults():
    told = run("spn-positives", "--options").output
    assert "low=0.4  Where the band begins, as a share of ranks." in told
    assert "captions=metadata  metadata, coca, endpoint or file." in told


def test_data_and_out_are_needed():
    assert run("spn-positives", "--data", "x").exit_code == 2


def test_an_option_that_is_none_is_told(shop, tmp_path):
    found = run("spn-positives", "--data", shop, "--out", tmp_path, "--set", "wrods=3")
    assert isinstance(found.exception, InvalidInput)
    assert found.exception.sentence.startswith("There is no option wrods: choose of protocol,")


def test_the_options_are_told_without_torch():
    code = (
        "import sys\n"
        "from workers.recipes.positives.running import make_here\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
