"""What an import makes of files, folders, zips and manifests, and of the plain mistakes in them."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image as Pillow
from sqlalchemy import func, select

from backend.catalogue.renditions import store_image
from backend.catalogue.service import delete_products
from backend.catalogue.tables import Attribute, Image
from backend.encoding.decoding import decode_image
from backend.errors import Conflict
from backend.jobs import lease
from backend.jobs import service as jobs
from backend.jobs.tables import ImportFile, JobItem
from backend.runtime import Runtime
from tests.backend.search.shop import write_tiny_backbone
from tests.workers.workshop import (
    activate,
    import_files,
    job_of,
    open_import,
    photo,
    products,
    reasons,
    report,
    run_embeds,
    run_ingest,
    zipped,
)
from workers import import_batches, ingesting, picture_intake
from workers.execution import execute
from workers.ingesting import ingest


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def outcomes(runtime: Runtime, job) -> list[str | None]:
    return [item.outcome for item in report(runtime, job)]


# Files and folders


def test_a_folder_becomes_products_with_category_and_split(runtime: Runtime) -> None:
    files = {"validation/dress/red one.jpg": photo("red"), "hat/h2.png": photo("blue", "PNG")}
    job = import_files(runtime, files, split="test")
    assert (job.state, job.done, job.failed, job.total) == ("done", 2, 0, 2)
    assert job.result["created"] == 2
    assert job.result["seconds"].keys() == {"plan", "pictures", "sql", "total"}
    dress, hat = products(runtime)["red one"], products(runtime)["h2"]
    assert (dress.title, dress.category, dress.split) == ("Red one", "dress", "val")
    assert (hat.title, hat.category, hat.split) == ("H2", "hat", "test")
    (image,) = dress.images
    assert (image.sha256, image.width, image.height) == (sha(photo("red")), 48, 64)
    assert runtime.blobs.read(image.sha256) == photo("red")
    assert runtime.blobs.read_rendition(image.sha256, "thumbnail") is not None


def test_the_same_content_twice_changes_nothing_and_is_not_read_again(runtime: Runtime) -> None:
    files = {"dress/1.jpg": photo("red"), "2.zip": zipped({"hat/2.jpg": photo("blue")})}
    import_files(runtime, files)
    before = products(runtime)
    again = import_files(runtime, files)
    assert (again.result["unchanged"], again.result["created"]) == (2, 0)
    assert products(runtime) == before


def test_a_stem_taken_by_other_bytes_gets_digits_of_the_hash(runtime: Runtime) -> None:
    one, two = photo("red"), photo("blue")
    files = {"a/x.jpg": one, "b/x.jpg": two, "c/x.jpg": one}
    job = import_files(runtime, files)
    assert outcomes(runtime, job) == ["created", "created", "unchanged"]
    assert set(products(runtime)) == {"x", f"x-{sha(two)[:6]}"}
    assert import_files(runtime, files).result["unchanged"] == 3


def test_a_product_without_pictures_is_given_the_one_of_its_name(runtime: Runtime) -> None:
    import_files(runtime, {"x.jpg": photo("red")})
    with runtime.database.write() as session:
        session.query(Image).delete()
    job = import_files(runtime, {"x.jpg": photo("blue")})
    assert outcomes(runtime, job) == ["updated"]
    assert [i.sha256 for i in products(runtime)["x"].images] == [sha(photo("blue"))]


# Zips


def test_a_zip_is_what_its_folder_would_be(runtime: Runtime) -> None:
    archive = zipped(
        {
            "dress/1.jpg": photo("red"),
            "shop/p.csv": b"sku,image\nA,pics/2.jpg\n",
            "shop/pics/2.jpg": photo("blue"),
            "__MACOSX/._1.jpg": b"x",
            "notes.txt": b"x",
            "more.zip": b"x",
            "a\nb.jpg": b"x",
        }
    )
    job = import_files(runtime, {"train/all.zip": archive})
    assert {(i.name, i.outcome) for i in report(runtime, job)} == {
        ("train/all.zip/more.zip", "refused"),
        ("'train/all.zip/a\\nb.jpg'", "refused"),
        ("train/all.zip/shop/p.csv, row 2 (A)", "created"),
        ("train/all.zip/dress/1.jpg", "created"),
    }
    assert products(runtime)["1"].category == "dress"
    assert reasons(runtime, job) == {
        "train/all.zip/more.zip": "train/all.zip/more.zip is a zip inside a zip: send it on its "
        "own.",
        "'train/all.zip/a\\nb.jpg'": "train/all.zip: The file name 'a\\nb.jpg' holds characters "
        "that cannot be stored: rename the file.",
    }


def test_zips_that_are_none_or_empty_are_one_line_each(runtime: Runtime) -> None:
    files = {
        "a.zip": b"hello",
        "b.zip": zipped({"readme.txt": b"x"}),
        "c.zip": zipped({"1.jpg": photo()}),
    }
    job = import_files(runtime, files)
    assert reasons(runtime, job) == {
        "a.zip": "a.zip is not a zip that can be read, or is cut short: make it again.",
        "b.zip": "b.zip holds no picture and no manifest: look into it.",
    }
    assert set(products(runtime)) == {"1"}


# Manifests


MANIFEST = (
    b"sku,title,category,split,price,currency,image,colour,size\n"
    b"A,Red dress,dress,val,19.90,EUR,a.jpg|b.jpg,red,10\n"
    b"B,,,,,,c.jpg,blue,S\n"
)
PICTURES = {"a.jpg": photo("red"), "b.jpg": photo("green"), "c.jpg": photo("blue")}


def test_a_manifest_describes_its_pictures(runtime: Runtime) -> None:
    job = import_files(runtime, {"p.csv": MANIFEST, **PICTURES}, category="hat", split="test")
    assert [i.name for i in report(runtime, job)] == ["p.csv, row 2 (A)", "p.csv, row 3 (B)"]
    first, second = products(runtime)["A"], products(runtime)["B"]
    assert (first.title, first.category, first.split) == ("Red dress", "dress", "val")
    assert (first.price, first.currency) == (Decimal("19.90"), "EUR")
    assert [i.sha256 for i in first.images] == [sha(photo("red")), sha(photo("green"))]
    assert (second.title, second.category, second.split) == ("B", "hat", "test")
    assert first.attributes == {"colour": "red", "size": "10"}
    with runtime.database.read() as session:
        assert session.get_one(Attribute, "size").kind == "keyword"


def test_rows_update_skip_or_refuse_what_is_there(runtime: Runtime) -> None:
    import_files(runtime, {"p.csv": MANIFEST, **PICTURES})
    changed = {"p.csv": MANIFEST.replace(b"Red dress", b"Crimson"), **PICTURES}
    skipped = import_files(runtime, changed, on_conflict="skip")
    assert outcomes(runtime, skipped) == ["skipped", "skipped"]
    refused = import_files(runtime, changed, on_conflict="error")
    assert reasons(runtime, refused)["p.csv, row 2 (A)"] == (
        "There is a product with the SKU 'A' already: import with --on-conflict update or skip."
    )
    assert products(runtime)["A"].title == "Red dress"
    updated = import_files(runtime, changed)
    assert outcomes(runtime, updated) == ["updated", "unchanged"]
    assert products(runtime)["A"].title == "Crimson"


def test_a_manifest_without_a_required_column_is_one_line(runtime: Runtime) -> None:
    job = import_files(runtime, {"p.csv": b"sku,title\nA,Dress\n"})
    assert reasons(runtime, job) == {
        "p.csv": "p.csv has no column 'image' (its columns: sku, title): add it, or say which "
        "column it is; every row needs a sku and an image."
    }


def test_bad_rows_are_lines_and_their_pictures_do_not_become_products(runtime: Runtime) -> None:
    manifest = (
        b"sku,image,title\n"
        b"A,a.jpg,Dress\n"
        b"A,b.jpg,Shirt\n"
        b"B,gone.jpg,Hat\n"
        b"C,note.jpg,Cap\n"
        b",c.jpg,Coat\n"
    )
    files = {"p.csv": manifest, "note.jpg": b"not a picture", **PICTURES}
    job = import_files(runtime, files)
    assert reasons(runtime, job) == {
        "p.csv, row 3 (A)": "p.csv, row 3: SKU A is already in row 2 with other values: keep one "
        "of the two rows, or make them agree.",
        "p.csv, row 4 (B)": "p.csv, row 4: the picture gone.jpg did not come with the manifest: "
        "put it where the row says, and import again.",
        "p.csv, row 5 (C)": "There is no picture that can be read in note.jpg: send one of JPEG, "
        "PNG, WEBP, GIF, BMP, TIFF.",
        "p.csv, row 6": "p.csv, row 6: column sku is empty: every row needs a SKU.",
    }
    assert set(products(runtime)) == {"A"}


def test_a_row_the_catalogue_refuses_leaves_nothing_behind(runtime: Runtime) -> None:
    manifest = b"sku,image,\xe2\x98\x85\nA,a.jpg,x\nB,b.jpg,\n"
    job = import_files(runtime, {"p.csv": manifest, **PICTURES})
    assert reasons(runtime, job) == {
        "p.csv, row 2 (A)": "Attribute '★' has no Latin letter or digit to make a key of: rename "
        "it."
    }
    assert set(products(runtime)) == {"B", "c"}


# Plain mistakes and odd pictures


def test_plain_mistakes_are_lines_of_the_report(runtime: Runtime) -> None:
    files = {
        "a.jpg": b"hello",
        "b.jpg": photo()[:400],
        "c.jpg": b"",
        "d.jpg": b"",
        "notes.txt": b"x",
        "good.jpg": photo(),
    }
    job = import_files(runtime, files)
    formats = "JPEG, PNG, WEBP, GIF, BMP, TIFF"
    assert reasons(runtime, job) == {
        "a.jpg": f"There is no picture that can be read in a.jpg: send one of {formats}.",
        "b.jpg": "The picture in b.jpg is damaged or cut short: send it again from the original.",
        "c.jpg": "There is nothing in c.jpg: it has zero bytes.",
        "d.jpg": "There is nothing in d.jpg: it has zero bytes.",
        "notes.txt": f"There is no picture that can be read in notes.txt: send one of {formats}.",
    }
    assert (job.state, job.done, job.failed, job.result["refused"]) == ("done", 6, 5, 5)
    assert set(products(runtime)) == {"good"}


def test_cmyk_keeps_its_colours_and_exif_rotation_is_applied(runtime: Runtime) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    files = {"cmyk.jpg": photo("red", mode="CMYK"), "turned.jpg": photo("blue", exif=exif)}
    import_files(runtime, files)
    catalogue = products(runtime)
    (cmyk,), (turned,) = catalogue["cmyk"].images, catalogue["turned"].images
    assert (turned.width, turned.height) == (64, 48)
    for image, colour in ((cmyk, (255, 0, 0)), (turned, (0, 0, 255))):
        preview = runtime.blobs.read_rendition(image.sha256, "preview")
        assert preview is not None
        shown = decode_image(preview)
        assert shown.size == (image.width, image.height)
        pixel = shown.getpixel((10, 10))
        assert isinstance(pixel, tuple)
        assert max(abs(a - b) for a, b in zip(pixel, colour, strict=True)) < 12


# Resuming, cancelling, tidying up


def test_an_import_stopped_half_way_goes_on_where_it_was(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_batches, "BATCH_ITEMS", 2)
    files = {f"{n}.jpg": photo(f"rgb({n}, 90, 9)") for n in range(5)}
    job_id = open_import(runtime, files)
    shutdown = threading.Event()
    write = ingesting._write

    def stop_after_the_first(*args) -> None:
        write(*args)
        shutdown.set()

    monkeypatch.setattr(ingesting, "_write", stop_after_the_first)
    execute(runtime, "ingest", ingest, job_id, shutdown)
    assert (job_of(runtime, job_id).state, job_of(runtime, job_id).done) == ("queued", 2)
    job = run_ingest(runtime, job_id)
    assert (job.state, job.done, job.result["created"]) == ("done", 5, 5)
    assert len(products(runtime)) == 5


def test_an_import_stops_in_the_midst_of_a_row_of_many_pictures(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_intake, "SLICE_PICTURES", 1)
    pictures = {f"{n}.png": photo(f"rgb({n}, 90, 9)", "PNG") for n in range(4)}
    row = f"sku,image\nA,{'|'.join(pictures)}\n".encode()
    job_id = open_import(runtime, {"p.csv": row, **pictures})
    shutdown = threading.Event()

    def stop_after_the_first(*args):
        shutdown.set()
        return store_image(*args)

    with monkeypatch.context() as patched:
        patched.setattr(picture_intake, "store_image", stop_after_the_first)
        execute(runtime, "ingest", ingest, job_id, shutdown)
    assert (job_of(runtime, job_id).state, job_of(runtime, job_id).done) == ("queued", 0)
    assert len(list(runtime.blobs.files("originals"))) == 1
    job = run_ingest(runtime, job_id)
    assert (job.state, job.done, job.result["created"]) == ("done", 1, 1)
    assert len(products(runtime)["A"].images) == 4


def test_a_batch_has_so_many_pictures(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_batches, "BATCH_PICTURES", 3)
    pictures = {f"{n}.jpg": photo(f"rgb({n}, 90, 9)") for n in range(7)}
    rows = b"sku,image\nA,0.jpg|1.jpg\nB,2.jpg\nC,3.jpg\nD,0.jpg|1.jpg|2.jpg|3.jpg|4.jpg\n"
    sizes = []

    def count(run, batch, *rest) -> None:
        sizes.append([len(work.plan.pictures) for work in batch])
        do_batch(run, batch, *rest)

    do_batch = ingesting._do_batch
    monkeypatch.setattr(ingesting, "_do_batch", count)
    job = import_files(runtime, {"p.csv": rows, **pictures})
    assert (job.state, job.result["created"]) == ("done", 6)
    assert sizes == [[2, 1], [1], [5], [1, 1]]


def test_staged_files_stay_while_another_import_needs_them(runtime: Runtime) -> None:
    archive = zipped({"1.jpg": photo()})
    first = open_import(runtime, {"a.zip": archive})
    second = open_import(runtime, {"b.zip": archive})
    run_ingest(runtime, first)
    assert runtime.blobs.staged(sha(archive))
    run_ingest(runtime, second)
    assert not runtime.blobs.staged(sha(archive))
    with runtime.database.read() as session:
        assert session.scalar(select(func.count()).select_from(ImportFile)) == 0


def test_the_files_of_a_cancelled_import_go_with_the_next(runtime: Runtime) -> None:
    job_id = open_import(runtime, {"1.jpg": photo("red")})
    with runtime.database.write() as session:
        jobs.cancel(session, job_id)
    import_files(runtime, {"2.jpg": photo("blue")})
    assert not runtime.blobs.staged(sha(photo("red")))
    told = r"^The files of this import are not kept any more: import them again\.$"
    with pytest.raises(Conflict, match=told), runtime.database.write() as session:
        jobs.retry(session, runtime.queue, job_id)


def test_known_bytes_whose_blob_goes_meanwhile_are_taken_from_the_sent_file(
    runtime: Runtime,
) -> None:
    import_files(runtime, {"1.jpg": photo()})
    files = {"2.zip": zipped({"2.jpg": photo()})}
    job_id = open_import(runtime, files)
    with runtime.database.write() as session:
        ids = [product.id for product in products(runtime).values()]
        delete_products(session, runtime.queue, ids)
    job = run_ingest(runtime, job_id)
    assert outcomes(runtime, job) == ["created"]
    assert runtime.blobs.exists(sha(photo()))


CHILD = """
import sys, threading
from pathlib import Path
from backend.runtime import open_runtime
from backend.settings import Settings
from workers import import_batches, ingesting
from workers.execution import execute
runtime = open_runtime(Settings(home=Path(sys.argv[1])))
import_batches.BATCH_ITEMS = 3
execute(runtime, "ingest", ingesting.ingest, sys.argv[2], threading.Event())
"""


def test_kill_9_in_the_middle_loses_and_doubles_nothing(runtime: Runtime, tmp_path: Path) -> None:
    backbone = write_tiny_backbone(tmp_path / "tiny")
    runtime.settings.backbone = f"local-dir:{backbone}"
    gallery_id = activate(runtime).gallery_id
    files = {f"dress/{n}.png": photo(f"rgb({n}, 90, 9)", "PNG") for n in range(40)}
    members = {f"hat/z{n}.png": photo(f"rgb(9, 90, {n})", "PNG") for n in range(10, 50)}
    files["more.zip"] = zipped(members)
    job_id = open_import(runtime, files)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", CHILD, str(runtime.settings.home), job_id]
    child = subprocess.Popen(command, env=environment)
    try:
        until = time.monotonic() + 60
        while job_of(runtime, job_id).done < 12 and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    before = job_of(runtime, job_id)
    assert (before.state, before.total) == ("running", 80)
    assert 12 <= before.done < 80
    with runtime.database.write() as session:
        lease.reclaim_all(session)
    job = run_ingest(runtime, job_id)
    assert (job.state, job.done, job.failed, job.result["created"]) == ("done", 80, 0, 80)
    with runtime.database.read() as session:
        assert session.scalar(select(func.count()).select_from(JobItem)) == 80
        hashes = session.scalars(select(Image.sha256)).all()
    assert len(hashes) == len(set(hashes)) == 80
    assert all(runtime.blobs.exists(sha256) for sha256 in hashes)
    assert [embedded.state for embedded in run_embeds(runtime)] == ["done"]
    points = runtime.galleries.open(gallery_id).scroll(None, 1000)
    with runtime.database.read() as session:
        assert sorted(session.scalars(select(Image.id))) == points
