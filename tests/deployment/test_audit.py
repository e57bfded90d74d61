"""`make audit`: it fails on what an update mends, and says so where it could learn nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).parents[2] / ".ci/audit"

SOUND = {"name": "sound", "version": "1.0", "vulns": []}
MENDABLE = {
    "name": "old", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"]}]
}  # fmt: skip
OPEN = {"name": "open", "version": "3.1", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "status", "told"),
    [
        ([SOUND], 0, ["1 of 1 packages were audited."]),
        ([SOUND, UNKNOWN], 0, ["1 of 2 packages were audited."]),
        ([MENDABLE, SOUND], 1, ["old 1.0: PYSEC-1, mended in 1.1, 2.0"]),
        ([OPEN], 0, ["open 3.1: PYSEC-2, nothing mends it yet"]),
        ([UNKNOWN], 0, ["Nothing was audited: the advisory service knows none of 1 packages."]),
        (None, 0, ["Nothing was audited: pip-audit or its advisory service cannot be reached"]),
    ],
)
def test_what_is_told_and_what_fails(tmp_path, packages, status, told):
    """uv's place is taken by a program that prints what pip-audit would."""
    said = "no route" if packages is None else json.dumps({"dependencies": packages, "fixes": []})
    (tmp_path / "said").write_text(said)
    uv = tmp_path / "uv"
    uv.write_text(f"#!/bin/sh\ncat {tmp_path}/said\n")
    uv.chmod(0o755)
    done = subprocess.run([sys.executable, AUDIT, uv, "pins"], capture_output=True, text=True)
    assert done.returncode == status
    assert all(line in done.stdout for line in told)
