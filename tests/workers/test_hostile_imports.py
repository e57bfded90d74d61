"""Hostile files through a whole import: each is a line of the report, the rest comes in."""

from __future__ import annotations

import hashlib
import unicodedata
import zipfile

import pytest

from backend.catalogue.schemas import FileClaim, ImportCreate
from backend.runtime import Runtime
from tests.backend.catalogue.hostile_zips import (
    deflated,
    packed_with,
    quoted_overlap,
    same_bytes_many_times,
    stored,
    written,
)
from tests.workers.workshop import (
    import_files,
    photo,
    products,
    reasons,
    report,
    zipped,
)
from workers.planning import ImportPlan
from workers.staged_files import StagedFiles

NO_ZIP = "is not a zip that can be read, or is cut short: make it again."
ZIPS = {
    "empty file.zip": (b"", NO_ZIP),
    "photo.zip": (photo("red"), NO_ZIP),
    "cut.zip": (zipped({"1.jpg": photo("red")})[:-30], NO_ZIP),
    "empty.zip": (zipped({}), "holds no picture and no manifest: look into it."),
    "junk.zip": (
        zipped({"__MACOSX/._1.jpg": b"x", "Thumbs.db": b"x", "notes.txt": b"x"}),
        "holds no picture and no manifest: look into it.",
    ),
    "overlap.zip": (quoted_overlap(50, 10_000), "lie over one another, as in bombs"),
    "same.zip": (same_bytes_many_times(50, 10_000), "lie over one another, as in bombs"),
    "bomb.zip": (
        written([deflated(f"{n}.bmp", bytes(30_000_000)) for n in range(4)]),
        "times its size, as bombs do",
    ),
}
MEMBERS = {
    "../../up.jpg": (stored("../../up.jpg", photo("blue")), "is not a relative path"),
    "C:/drive.jpg": (stored("C:\\drive.jpg", photo("blue")), "is not a relative path"),
    "liar.jpg": (
        deflated("liar.jpg", bytes(5_000_000), listed_size=10),
        "is damaged at liar.jpg: make the zip again.",
    ),
    "huge.jpg": (
        stored("huge.jpg", b"x", listed_size=60_000_000),
        "60,000,000 bytes, and 52,428,800 are allowed",
    ),
    "huge.csv": (
        stored("huge.csv", b"x", listed_size=20_000_000),
        "is damaged at huge.csv: make the zip again.",
    ),
    "inner.zip": (stored("inner.zip", b"x"), "is a zip inside a zip: send it on its own."),
    "no photo.jpg": (stored("no photo.jpg", b"GIF89a"), "zip/no photo.jpg"),
}


def test_hostile_zips_are_lines_of_the_report(runtime: Runtime) -> None:
    files = {name: data for name, (data, _) in ZIPS.items()}
    job = import_files(runtime, {**files, "good.zip": zipped({"good.jpg": photo("green")})})
    assert (job.state, job.failed, job.result["created"]) == ("done", len(ZIPS), 1)
    told = reasons(runtime, job)
    for name, (_, sentence) in ZIPS.items():
        assert sentence in (told[name] or ""), name
        assert name in (told[name] or "")
    assert set(products(runtime)) == {"good"}


def test_hostile_members_are_lines_of_the_report(runtime: Runtime) -> None:
    entries = [entry for entry, _ in MEMBERS.values()]
    data = written([*entries, stored("good.jpg", photo("green"))])
    job = import_files(runtime, {"z.zip": data})
    assert (job.state, job.failed, job.result["created"]) == ("done", len(MEMBERS), 1)
    told = reasons(runtime, job)
    for name, (_, sentence) in MEMBERS.items():
        assert sentence in (told[f"z.zip/{name}"] or ""), name
    assert set(products(runtime)) == {"good"}


def test_members_packed_in_another_way_are_told(runtime: Runtime) -> None:
    data = packed_with(zipfile.ZIP_LZMA, {"1.jpg": photo("red"), "p.csv": b"sku,image\n"})
    job = import_files(runtime, {"z.zip": data})
    assert (job.state, job.failed, job.total) == ("done", 2, 2)
    assert all("is packed by a method" in (r or "") for r in reasons(runtime, job).values())


def test_a_polyglot_is_what_its_name_says(runtime: Runtime) -> None:
    """A photo with a zip behind it: one file, two readings."""
    both = photo("red") + zipped({"inside.jpg": photo("blue")})
    import_files(runtime, {"both.jpg": both})
    assert set(products(runtime)) == {"both"}
    import_files(runtime, {"both.zip": both})
    assert set(products(runtime)) == {"both", "inside"}


def test_a_zip_called_a_picture_is_no_picture(runtime: Runtime) -> None:
    job = import_files(runtime, {"1.jpg": zipped({"1.jpg": photo("red")})})
    assert (job.state, job.failed, products(runtime)) == ("done", 1, {})


def test_names_that_differ_in_case_only_are_two_products(runtime: Runtime) -> None:
    data = zipped({"a.jpg": photo("red"), "A.jpg": photo("blue")})
    assert import_files(runtime, {"z.zip": data}).result["created"] == 2
    assert set(products(runtime)) == {"a", "A"}


def test_a_file_that_comes_in_a_zip_and_beside_it_is_told(runtime: Runtime) -> None:
    """Both have the same name in the import; neither may quietly stand in for the other."""
    files = {"z.zip": zipped({"1.jpg": photo("red")}), "z.zip/1.jpg": photo("blue")}
    job = import_files(runtime, files)
    assert (job.state, job.result["created"], job.failed) == ("done", 1, 1)
    assert reasons(runtime, job) == {
        "z.zip/1.jpg": "z.zip/1.jpg came twice, in a zip and beside it: keep one of the two."
    }


def test_names_that_look_the_same_are_one_sku(runtime: Runtime) -> None:
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    files = {f"{composed}.jpg": photo("red"), f"{decomposed}.jpg": photo("blue"),
             "caf\u200b\u00e9.jpg": photo("green")}  # fmt: skip
    assert import_files(runtime, files).result["created"] == 3
    taken = {hashlib.sha256(photo(colour)).hexdigest()[:6] for colour in ("red", "blue", "green")}
    skus = set(products(runtime))
    assert composed in skus
    assert {sku.removeprefix(f"{composed}-") for sku in skus - {composed}} < taken


@pytest.mark.parametrize("name", ["../up.zip/x", "ok.zip"])
def test_planning_never_fails_for_a_file_that_is_not_staged(runtime: Runtime, name: str) -> None:
    claim = FileClaim(name=name, sha256="0" * 64, size=1)
    with StagedFiles(runtime.blobs) as staged:
        items = list(ImportPlan([claim], staged, ImportCreate()).items())
    for item in items:
        assert item.refusal is None or "is gone: send it again" in item.refusal


def test_every_cut_of_a_zip_is_planned_or_told(runtime: Runtime) -> None:
    whole = zipped(
        {"1.jpg": photo("red"), "p.csv": b"sku,image\nA,2.jpg\n", "2.jpg": photo("blue")}
    )
    for size in range(0, len(whole), 37):
        data = whole[:size]
        sha256 = hashlib.sha256(data).hexdigest()
        runtime.blobs.stage(sha256, [data], 10**6)
        claim = FileClaim(name="z.zip", sha256=sha256, size=len(data))
        with StagedFiles(runtime.blobs) as staged:
            (item,) = ImportPlan([claim], staged, ImportCreate()).items()
        assert item.refusal == f"z.zip {NO_ZIP}"


def test_hostile_rows_are_lines_of_the_report(runtime: Runtime) -> None:
    deep = '{"sku": "C", "image": "c.jpg", "size": ' + "[" * 460 + "]" * 460 + "}"
    rows = [
        '{"sku": "A", "image": "http://[x"}',
        '{"sku": "B", "image": "http://℀.com/b.jpg"}',
        deep,
        '{"sku": "D", "image": "d.jpg"}',
    ]
    job = import_files(runtime, {"p.jsonl": "\n".join(rows).encode(), "d.jpg": photo("red")})
    assert (job.state, job.result["created"], job.failed) == ("done", 1, 3)
    told = reasons(runtime, job)
    assert told["p.jsonl, row 1 (A)"] == (
        "p.jsonl, row 1: the picture http:/[x did not come with the manifest: put it where the row "
        "says, and import again."
    )
    assert "the picture b.jpg did not come" in (told["p.jsonl, row 2 (B)"] or "")
    assert "more than 50 deep" in (told["p.jsonl, row 3"] or "")


def test_a_report_shows_odd_names_so_that_they_can_be_read(runtime: Runtime) -> None:
    data = written([stored("a\x1b[2Jb\n.jpg", b"x")])
    job = import_files(runtime, {"z.zip": data})
    (line,) = report(runtime, job)
    assert line.name == "'z.zip/a\\x1b[2Jb\\n.jpg'"
    assert (line.reason or "").isprintable()
