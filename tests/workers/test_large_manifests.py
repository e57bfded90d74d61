"""A manifest of a hundred thousand rows is previewed and planned within bounds of memory; one of
more rows than a manifest may have is told."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from backend.blobs import BlobStore
from backend.catalogue.manifest_tables import MAX_ROWS
from backend.catalogue.preview_schemas import PreviewRequest
from backend.catalogue.previewing import Known, preview_manifest
from backend.catalogue.schemas import FileClaim, ImportCreate
from backend.errors import TooLarge
from workers.planning import ImportPlan
from workers.staged_files import StagedFiles

ROWS = 100_000
PREVIEW_MEGABYTES = 400
"""Of resident memory, over what the process had before: the rows are compared with one another."""
PLAN_MEGABYTES = 60

CHILD = """
import json, sys
from itertools import chain
from pathlib import Path
from backend.blobs import BlobStore
from tests.workers import test_large_manifests as large
def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))
blobs = BlobStore(Path(sys.argv[2]).as_uri())
before = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
found = getattr(large, sys.argv[1])(blobs)
print(json.dumps({**found, "megabytes": status("VmHWM") - before}))
"""


def manifest(rows: int) -> bytes:
    """Six fields and four attributes a row, a picture of its own for each; one row is refused."""
    header = "sku,image,title,category,price,currency,colour,size,weight,washable"
    lines = (
        f"SKU-{n:06},pictures/{n:06}.jpg,Red striped dress number {n},dress,"
        f"{'cheap' if n == 5 else f'{n % 90}.90'},EUR,red,{n % 40},{n % 7}.5,yes"
        for n in range(rows)
    )
    return "\n".join([header, *lines]).encode()


def look_up(_: object) -> Known:
    return Known({}, set())


def preview(blobs: BlobStore) -> dict[str, int]:
    """Run in a process of its own."""
    request = PreviewRequest(pictures=[f"pictures/{n:06}.jpg" for n in range(ROWS)])
    seen = preview_manifest(manifest(ROWS), "p.csv", request, look_up)
    return {"rows": seen.rows, "good": seen.good, "refused": seen.bad}


def plan(blobs: BlobStore) -> dict[str, int]:
    """Run in a process of its own."""
    data = manifest(ROWS)
    sha256 = hashlib.sha256(data).hexdigest()
    blobs.stage(sha256, [data], len(data))
    pictures = (f"pictures/{n:06}.jpg" for n in range(ROWS))
    claims = (FileClaim(name=name, sha256="0" * 64, size=1) for name in pictures)
    files = chain([FileClaim(name="p.csv", sha256=sha256, size=len(data))], claims)
    good = refused = 0
    with StagedFiles(blobs) as staged:
        for item in ImportPlan(files, staged, ImportCreate()).items():
            good, refused = good + (item.plan is not None), refused + (item.plan is None)
    return {"rows": good + refused, "good": good, "refused": refused}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("doing", "megabytes"), [("preview", PREVIEW_MEGABYTES), ("plan", PLAN_MEGABYTES)]
)
def test_a_hundred_thousand_rows_take_a_bounded_memory(
    tmp_path: Path, doing: str, megabytes: int
) -> None:
    command = [sys.executable, "-c", CHILD, doing, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["rows"], found["good"], found["refused"]) == (ROWS, ROWS - 1, 1)
    assert found["megabytes"] < megabytes


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("p.csv", "A,a.jpg\n"),
        pytest.param("p.jsonl", '{"sku": "A"}\n', marks=pytest.mark.slow),
    ],
)
def test_a_row_too_many_is_told_before_anything_is_made_of_it(name: str, line: str) -> None:
    data = ("sku,image\n" * name.endswith("csv") + line * (MAX_ROWS + 1)).encode()
    with pytest.raises(TooLarge) as refusal:
        preview_manifest(data, name, PreviewRequest(), look_up)
    assert refusal.value.sentence == (
        f"{name} has more than 250,000 rows: split it into several files."
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_import_of_a_row_too_many_is_one_line_of_its_report(tmp_path: Path) -> None:
    data = b"sku,image\n" + b"".join(b"A%d,a.jpg\n" % n for n in range(MAX_ROWS + 1))
    blobs, sha256 = BlobStore(tmp_path.as_uri()), hashlib.sha256(data).hexdigest()
    blobs.stage(sha256, [data], len(data))
    claim = FileClaim(name="p.csv", sha256=sha256, size=len(data))
    with StagedFiles(blobs) as staged:
        (item,) = ImportPlan([claim], staged, ImportCreate()).items()
    assert item.refusal == "p.csv has more than 250,000 rows: split it into several files."
