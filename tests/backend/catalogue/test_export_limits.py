"""What is exported is told not to come back where an import would refuse it."""

from __future__ import annotations

import pytest

from backend.catalogue.archives import ZipLimits
from backend.catalogue.export_limits import with_problems
from backend.catalogue.exporting import export_size, export_zip
from backend.catalogue.imports import claim_files, open_import
from backend.catalogue.manifest_tables import MAX_ROWS
from backend.catalogue.schemas import ExportSize, FileClaim, ImportCreate
from backend.errors import TooLarge
from backend.runtime import Runtime
from tests.workers.workshop import import_files, photos

GIGABYTE = 10**9


def told(limit: int = 2 * GIGABYTE, limits: ZipLimits = ZipLimits(), **size: int) -> ExportSize:
    blank = {"products": 1, "images": 1, "bytes": 1}
    return with_problems(ExportSize(**{**blank, **size}), limit, limits)


def test_what_is_small_comes_back() -> None:
    size = told(products=100_000, images=100_000, bytes=GIGABYTE)
    assert (size.zip_problem, size.folder_problem) == (None, None)


@pytest.mark.parametrize(
    ("size", "problem"),
    [
        (
            told(products=10, images=10, bytes=3 * GIGABYTE),
            "The zip would have about 3,000,007,680 bytes and could not be imported again, since "
            "2,000,000,000 may be sent at once here: export a folder instead, with akin export "
            "FOLDER, or raise AKIN_MAX_UPLOAD_BYTES.",
        ),
        (
            told(100 * GIGABYTE, images=250_000),
            "The zip would hold 250,001 files and could not be imported again, since 250,000 are "
            "allowed: export a folder instead, with akin export FOLDER.",
        ),
        (
            told(100 * GIGABYTE, bytes=30 * GIGABYTE),
            "The zip would expand to 30,000,000,000 bytes and more and could not be imported "
            "again, since 21,474,836,480 are allowed: export a folder instead, with akin export "
            "FOLDER.",
        ),
    ],
)
def test_a_zip_that_an_import_refuses_is_told_and_a_folder_recommended(
    size: ExportSize, problem: str
) -> None:
    assert (size.zip_problem, size.folder_problem) == (problem, None)


def test_more_products_than_a_list_may_have_come_back_in_parts() -> None:
    size = told(products=MAX_ROWS + 1)
    assert size.zip_problem == size.folder_problem
    assert size.folder_problem == (
        "A list of 250,001 products could not be imported again, since 250,000 rows are allowed: "
        "export it in parts, each under a filter."
    )


def test_where_nothing_is_told_the_import_takes_the_zip(runtime: Runtime) -> None:
    """The estimate is on the safe side."""
    import_files(runtime, photos(5))
    data = b"".join(export_zip(runtime.database, runtime.blobs))
    claim = FileClaim(name="catalogue.zip", sha256="0" * 64, size=len(data))
    with runtime.database.write() as session:
        size = export_size(session)
        job = open_import(session, runtime.queue, ImportCreate(), "ann")
        assert with_problems(size, len(data) - 1).zip_problem is not None
        with pytest.raises(TooLarge):
            claim_files(session, job.id, [claim], len(data) - 1)
        enough = next(n for n in range(100_000) if with_problems(size, n).zip_problem is None)
        assert claim_files(session, job.id, [claim], enough) == ["0" * 64]
