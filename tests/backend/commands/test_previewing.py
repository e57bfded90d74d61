"""`akin ingest --preview` shows what the import would do with what is there already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from backend.catalogue.import_routes import router
from backend.cli import app as akin
from backend.runtime import Runtime
from tests.api import api_of, served
from tests.backend.catalogue.stock import product
from tests.workers.workshop import photo, zipped


@pytest.fixture
def url(runtime: Runtime) -> Iterator[str]:
    with runtime.database.write() as session:
        product(session, "A")
    with served(api_of(runtime, router)) as url:
        yield url


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    for name in "ab":
        (tmp_path / f"{name}.jpg").write_bytes(photo())
    path = tmp_path / "list.csv"
    path.write_text("sku,image\nA,a.jpg\nB,b.jpg\n")
    return path


def preview(url: str, *arguments: str) -> Result:
    result = CliRunner().invoke(akin, ["ingest", "--preview", *arguments, "--url", url])
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize(
    ("on_conflict", "told"),
    [
        ("update", "2 good (1 of them in the catalogue already), 0 refused."),
        ("skip", "1 good (0 of them in the catalogue already), 1 left as they are, 0 refused."),
        ("error", "1 good (0 of them in the catalogue already), 1 refused."),
    ],
)
def test_what_is_there_fares_as_the_import_is_told(
    url: str, manifest: Path, on_conflict: str, told: str
) -> None:
    result = preview(url, str(manifest), "--on-conflict", on_conflict)
    assert told in result.stdout.replace("\n", " ")


def test_a_zip_beside_a_list_is_told_too(url: str, manifest: Path, tmp_path: Path) -> None:
    archive = tmp_path / "z.zip"
    archive.write_bytes(zipped({"c.jpg": photo()}))
    result = preview(url, str(manifest), str(archive))
    assert "2 good" in result.stdout
    assert "What is in z.zip is looked into only when it is imported" in result.stderr
