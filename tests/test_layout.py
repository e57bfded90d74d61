"""The house rules that a machine can check: who may lean on whom, and what starts without torch."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[1]
REGISTRY = re.compile("pyp" + r"i\.(org|python)|python" + r"hosted|registry\.npm" + "js")

SLOW_TO_IMPORT = {"torch", "open_clip", "celery", "fastapi", "sqlalchemy", "numpy"}


def test_imports_follow_the_layout(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert lint_imports() == EXIT_STATUS_SUCCESS


def test_the_ui_knows_the_client_and_the_schemas_and_nothing_else_of_ours():
    allowed = re.compile(
        r"ui(\..+)?|backend\.(client|errors|paging|accounts\.roles|\w+\.(\w+_)?schemas)"
    )
    imported = {
        (path.name, node.module)
        for path in (ROOT / "ui").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
    }
    ours = {pair for pair in imported if pair[1].split(".")[0] in {"ui", "backend", "workers"}}
    assert ours
    assert {pair for pair in ours if not allowed.fullmatch(pair[1]) and pair[1] != "ui"} == set()


@pytest.mark.parametrize("module", ["backend.cli", "ui.connection", "backend.client"])
def test_the_command_line_and_the_ui_start_without_what_is_slow_to_import(module):
    code = f"import sys, {module}; print(*({SLOW_TO_IMPORT!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "\n", done.stderr


def test_no_module_asks_for_the_package_that_an_image_does_not_install():
    """There the sources are on the path, without the facts of a package: `backend.VERSION` is."""
    paths = [
        path for folder in ("backend", "workers", "ui") for path in (ROOT / folder).rglob("*.py")
    ]
    asking = [path.name for path in paths if "importlib.metadata" in path.read_text()]
    assert paths
    assert asking == []


def test_no_file_names_a_package_registry():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    texts = [ROOT / name for name in listed if not name.endswith((".safetensors", ".png"))]
    naming = [
        path.name
        for path in texts
        if path.is_file() and REGISTRY.search(path.read_text(errors="ignore"))
    ]
    assert naming == []
