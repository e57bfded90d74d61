"""`.env` is written once, with random secrets that nobody else can read."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from backend.cli import app
from backend.environment_file import write_env
from backend.errors import Conflict, SetupError
from tests.deployment import compose

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    shutil.copy(REPOSITORY / ".env.example", tmp_path)
    return tmp_path


def variables(file):
    lines = file.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_every_secret_of_the_compose_file_is_random(folder, tmp_path_factory):
    file, names = write_env(folder)
    assert set(names) == {name for name, (kind, _) in compose.asked().items() if kind == "?"}
    given = variables(file)
    secrets = [given[name] for name in names]
    assert all(re.fullmatch(r"[0-9a-f]{48}", secret) for secret in secrets)
    assert len(set(secrets)) == len(secrets)
    compose.read(given)
    other = tmp_path_factory.mktemp("other")
    shutil.copy(REPOSITORY / ".env.example", other)
    assert variables(write_env(other)[0])["POSTGRES_PASSWORD"] not in secrets


def test_only_its_owner_can_read_it(folder):
    before = os.umask(0)
    try:
        file, _ = write_env(folder)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_is_there_is_never_changed(folder):
    (folder / ".env").write_text("POSTGRES_PASSWORD=kept\n")
    with pytest.raises(Conflict, match=r"was not changed.*Move it away first"):
        write_env(folder)
    assert (folder / ".env").read_text() == "POSTGRES_PASSWORD=kept\n"


def test_a_folder_without_the_example_is_told(tmp_path):
    with pytest.raises(SetupError, match=r"no \.env\.example .* folder of docker-compose\.yml"):
        write_env(tmp_path)
    assert not (tmp_path / ".env").exists()


def test_a_folder_that_cannot_be_written_is_told(folder, monkeypatch):
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SetupError, match=r"cannot be written.*permissions"):
        write_env(folder)


def test_a_full_disk_leaves_no_half_of_it(folder, monkeypatch):
    """Half of one would never be overwritten, and lacks secrets."""

    def full(descriptor: int, *_: object, **__: object):
        os.write(descriptor, b"POSTGRES_PASSW")
        os.close(descriptor)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("backend.environment_file.open", full, raising=False)
    with pytest.raises(SetupError, match=r"cannot be written.*permissions and disk"):
        write_env(folder)
    monkeypatch.undo()
    file, _ = write_env(folder)
    assert "POSTGRES_PASSWORD=" in file.read_text()


def test_it_is_a_command(folder):
    done = CliRunner().invoke(app, ["env", "--in", str(folder)])
    assert done.exit_code == 0
    assert "POSTGRES_PASSWORD" in done.stdout
    assert variables(folder / ".env")["POSTGRES_PASSWORD"] not in done.stdout


def test_a_comment_in_any_writing_is_kept_whatever_the_language_of_the_terminal(folder):
    example = (folder / ".env.example").read_text(encoding="utf-8")
    (folder / ".env.example").write_text("# Größe in €\n" + example, encoding="utf-8")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "backend.environment_file"],
        check=False,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)} | ascii_only,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / ".env").read_text(encoding="utf-8").startswith("# Größe in €\n")


def test_it_needs_nothing_but_python(folder):
    command = [sys.executable, "-S", "-m", "backend.environment_file"]  # -S: no installed packages
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}
    asked = {"cwd": folder, "env": environment, "capture_output": True, "text": True}
    first = subprocess.run(command, check=False, **asked)
    assert (first.returncode, first.stderr) == (0, "")
    again = subprocess.run(command, check=False, **asked)
    assert (again.returncode, again.stdout) == (1, "")
    assert "was not changed" in again.stderr
