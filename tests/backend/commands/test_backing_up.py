"""`akin backup` and `akin restore` say what is not in the file, and what was not compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from backend.cli import app
from backend.commands.backing_up import _compared
from backend.runtime import Runtime
from tests.backend.backup.conftest import Saved, saved, tiny_backbone
from tests.backend.backup.test_refusals import honest, packed, unpacked

__all__ = ["saved", "tiny_backbone"]


@pytest.fixture
def lacking(saved: Saved, tmp_path: Path) -> Path:
    """A backup of an installation that had lost a picture."""
    files = unpacked(saved.path)
    lost = next(name for name in files if name.startswith("originals/"))
    del files[lost]
    manifest = json.loads(files["manifest.json"])
    files["manifest.json"] = json.dumps({**manifest, "missing": [lost]}).encode()
    return packed(tmp_path / "lacking.tar", honest(files))


def test_what_is_missing_is_told_when_it_is_restored_and_saved_again(
    lacking: Path, tmp_path: Path
) -> None:
    home, again = tmp_path / "home", tmp_path / "again.tar"
    done = CliRunner().invoke(app, ["restore", str(lacking), "--home", str(home)])
    assert done.exit_code == 0, done.output
    told = " ".join(done.stderr.split())
    assert "1 file had been gone or damaged when this backup was made and did not come." in told
    done = CliRunner().invoke(app, ["backup", str(again), "--home", str(home)])
    assert done.exit_code == 0, done.output
    told = " ".join(done.stdout.split())
    assert "holds all but 1 file, gone or damaged where they were stored: `akin doctor`" in told


@pytest.mark.parametrize(
    ("error", "told"),
    [(OSError(5, "Input/output error"), "input/output error"), (OSError(28, "x"), "is full")],
)
def test_a_failure_after_everything_is_restored_says_so(
    runtime: Runtime, error: OSError, told: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    (sentence,) = _compared(runtime, fail)  # type: ignore[arg-type]
    assert told in sentence
    assert sentence.endswith("All is restored; then run `akin doctor --repair`.")
