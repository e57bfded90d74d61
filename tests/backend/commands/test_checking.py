from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from backend.cli import app
from tests.workers.datasets.samples import cirr, write_images

ROOT = Path(__file__).parents[3]


def test_what_is_there_stands_beside_what_was_published(tmp_path):
    done = CliRunner().invoke(app, ["dataset", "check", str(cirr(tmp_path)), "--images"])
    assert done.exit_code == 0
    assert [*done.stdout.splitlines()[2].split()] == ["cirr/val", "2", "4,181", "7", "2,297", "7"]
    assert "7 pictures were opened." in done.stdout
    assert "Note: The split test1 is not there." in done.stdout
    assert "All is there." in done.stdout


def test_a_problem_is_a_sentence_and_exit_code_1(tmp_path):
    (cirr(tmp_path) / "dev/dev-3-0-img0.png").unlink()
    done = CliRunner().invoke(app, ["dataset", "check", str(tmp_path)])
    assert done.exit_code == 1
    assert f"1 of 7 images are missing from {tmp_path}/dev (dev-3-0-img0)" in done.stdout
    assert "All is there." not in done.stdout


def test_programs_get_json(tmp_path):
    write_images(tmp_path, "a.png", "b.png")
    done = CliRunner().invoke(app, ["dataset", "check", str(tmp_path), "--json"])
    told = json.loads(done.stdout)
    assert (told["kind"], told["problems"], told["splits"][0]["found"]) == ("images", [], 2)


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    command = [sys.executable, "-m", "backend.cli", "dataset", "check", str(tmp_path / "gone")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip() == f"{tmp_path}/gone is not a folder: give one that is there."
