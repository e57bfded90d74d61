"""Every kind of damage, made for real: found, mended, and not found again."""

from __future__ import annotations

import hashlib
import io
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fastapi import UploadFile

from backend.accounts.actor import LOCAL_ADMIN
from backend.blob_files import StoredFile
from backend.blobs import Area
from backend.catalogue.routes import post_image
from backend.errors import Unavailable
from tests.workers import workshop
from tests.workers.reconciliation.damaged_shop import DamagedShop
from tests.workers.workshop import photo
from workers.reconciliation import rounds
from workers.reconciliation.reconcile import reconcile
from workers.reconciliation.rounds import Directly

STRANGE = hashlib.sha256(b"x").hexdigest()


def assert_found_mended_and_gone(shop: DamagedShop, kind: str, count: int = 1, **how: bool) -> None:
    """Looking changes nothing; mending finds the same; afterwards all agree."""
    assert shop.found(**how) == {kind: count}
    assert shop.found(**how) == {kind: count}
    assert shop.found(mend=True, **how) == {kind: count}
    shop.embed()
    assert shop.found(**how) == {}
    assert shop.found(mend=True, **how) == {}
    shop.assert_in_line()


def test_a_shop_in_line_has_nothing_to_mend(shop: DamagedShop) -> None:
    ledger = shop.round(mend=True, deep=True)
    assert ledger.in_line
    assert ledger.lines() == []
    assert ledger.result() == {"images": 6, "points": 6, "blobs": 6, "lost": 0}
    shop.assert_in_line()


# Points


def test_a_lost_point_is_made_again(shop: DamagedShop) -> None:
    shop.gallery.delete([shop.image("3")])
    assert_found_mended_and_gone(shop, "rows_without_point")


def test_every_point_lost_at_once(shop: DamagedShop) -> None:
    shop.gallery.delete(shop.ids())
    assert_found_mended_and_gone(shop, "rows_without_point", 6)


def test_a_gallery_that_is_gone_is_made_again(shop: DamagedShop) -> None:
    shop.runtime.galleries.drop(shop.gallery_id)
    assert_found_mended_and_gone(shop, "lost_galleries")


def test_a_point_without_an_image_is_deleted(shop: DamagedShop) -> None:
    shop.put_point(str(uuid.uuid4()))
    assert_found_mended_and_gone(shop, "points_without_row")


def test_the_point_of_a_deletion_that_is_under_way_is_left_to_it(shop: DamagedShop) -> None:
    with shop.runtime.database.write() as session:
        workshop.delete_all(session, shop.runtime)
    assert shop.gallery.count() == 6
    assert shop.found(mend=True) == {}
    shop.assert_in_line()


def test_a_point_whose_row_is_not_written_yet_is_no_orphan(shop: DamagedShop) -> None:
    """Between an embed worker's upsert and its commit."""
    shop.forget_row(shop.image("3"))
    shop.ask_for_embedding()
    assert shop.found(mend=True) == {}
    shop.assert_in_line()


def test_a_forgotten_row_that_nobody_works_on_gets_a_job(shop: DamagedShop) -> None:
    shop.end_embed_jobs()
    shop.forget_row(shop.image("3"))
    assert_found_mended_and_gone(shop, "unattended")


@pytest.mark.parametrize("bad", [float("nan"), 0.0])
def test_a_vector_that_no_search_can_use_is_made_again(shop: DamagedShop, bad: float) -> None:
    if np.isnan(bad) and shop.runtime.settings.gallery_url != "edge":
        pytest.skip("JSON has no NaN, so none reaches a server")
    overwrite_vector(shop, shop.image("3"), bad)
    assert shop.found() == {}
    assert_found_mended_and_gone(shop, "bad_vectors", deep=True)


def test_a_payload_of_another_product_is_corrected(shop: DamagedShop) -> None:
    payload = {"product": str(uuid.uuid4()), "sku": "3", "category": "hat", "split": "train"}
    shop.gallery.set_payload({shop.image("3"): payload})
    assert shop.found() == {}
    assert_found_mended_and_gone(shop, "stale_payloads", deep=True)
    assert shop.gallery.fetch([shop.image("3")])[shop.image("3")].payload["category"] == "dress"


def test_an_edit_that_no_embed_job_knows_of_reaches_the_gallery(shop: DamagedShop) -> None:
    shop.edit_behind_the_back("3", "hat")
    assert_found_mended_and_gone(shop, "stale_payloads")
    assert shop.gallery.fetch([shop.image("3")])[shop.image("3")].payload["category"] == "hat"


# Blobs


def test_a_file_that_nobody_knows_is_deleted(shop: DamagedShop) -> None:
    path = shop.put_file("originals", STRANGE)
    assert_found_mended_and_gone(shop, "blobs_without_row")
    assert not path.exists()


def test_a_file_of_this_hour_may_be_on_its_way_to_a_row(shop: DamagedShop) -> None:
    path = shop.put_file("originals", STRANGE)
    assert shop.found(mend=True, alone=False) == {}
    age(path, hours=2)
    assert shop.found(mend=True, alone=False) == {"blobs_without_row": 1}


def test_what_is_not_ours_stays(shop: DamagedShop) -> None:
    paths = [shop.put_file("originals", name) for name in (".DS_Store", "notes.txt", "ab")]
    astray = shop.file("originals", "zz").with_name(STRANGE)
    astray.parent.mkdir(parents=True)
    astray.write_bytes(b"x")
    assert shop.found(mend=True) == {}
    assert all(path.exists() for path in (*paths, astray))


def test_a_thumbnail_without_its_picture_is_deleted(shop: DamagedShop) -> None:
    path = shop.put_file("thumbnails", f"{STRANGE}.webp")
    assert_found_mended_and_gone(shop, "renditions_without_blob")
    assert not path.exists()


def test_an_upload_that_no_import_waits_for_is_deleted(shop: DamagedShop) -> None:
    path = shop.put_file("staged", STRANGE)
    assert_found_mended_and_gone(shop, "staged_leftovers")
    assert not path.exists()


def test_the_files_of_an_import_that_has_not_run_stay(shop: DamagedShop) -> None:
    job_id = workshop.open_import(shop.runtime, {"new.png": photo("teal", "PNG")})
    assert shop.found(mend=True) == {}
    assert workshop.run_ingest(shop.runtime, job_id).result["created"] == 1


def test_what_a_killed_process_left_half_written_goes_after_a_day(shop: DamagedShop) -> None:
    path = shop.put_file("aside", uuid.uuid4().hex)
    age(path, hours=23)
    assert shop.found(mend=True, alone=False) == {}
    age(path, hours=25)
    assert shop.found(mend=True, alone=False) == {"half_written": 1}
    assert not path.exists()


def test_a_picture_that_no_product_shows_is_deleted(shop: DamagedShop) -> None:
    image_id, sha256 = shop.image("3"), shop.sha256("3")
    shop.lose_image_row(image_id)
    assert shop.found() == {"unused_blobs": 1, "points_without_row": 1}
    assert shop.found(mend=True) == {"unused_blobs": 1, "points_without_row": 1}
    assert shop.found() == {}
    assert not shop.runtime.blobs.exists(sha256)
    shop.assert_in_line()


# Bytes that are gone


def lose(shop: DamagedShop, sku: str) -> None:
    shop.file("originals", shop.sha256(sku)).unlink()


def truncate(shop: DamagedShop, sku: str) -> None:
    path = shop.file("originals", shop.sha256(sku))
    path.write_bytes(path.read_bytes()[:40])


def flip(shop: DamagedShop, sku: str) -> None:
    path = shop.file("originals", shop.sha256(sku))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


LOST = (
    "The stored bytes of the image of 3 are gone: import the same picture again, or delete the "
    "image."
)


@pytest.mark.parametrize(("damage", "deep"), [(lose, False), (truncate, False), (flip, True)])
def test_lost_bytes_are_told_by_sku_and_the_same_import_heals_them(
    shop: DamagedShop, damage, deep: bool
) -> None:
    data = shop.runtime.blobs.read(shop.sha256("3"))
    damage(shop, "3")
    if deep:
        assert shop.found() == {}
    assert shop.found(deep=deep) == {"lost": 1}
    assert shop.problem("3") is None
    ledger = shop.round(mend=True, deep=deep)
    assert [tuple(line) for line in ledger.lines()] == [("3", "lost", LOST)]
    assert shop.problem("3") == LOST
    assert shop.gallery.count() == 6, "the vector is good still, so search goes on finding it"
    assert shop.found(mend=True, deep=deep) == {"lost": 1}, "as long as nobody has healed it"

    job = shop.send("dress/3.png", data)
    assert (job.state, job.failed, job.result["unchanged"]) == ("done", 0, 1)
    shop.embed()
    assert shop.problem("3") is None
    assert shop.runtime.blobs.read(shop.sha256("3")) == data
    shop.found(mend=True)
    assert shop.found(deep=True) == {}
    shop.assert_in_line()


def test_adding_the_same_picture_to_its_product_heals_it_too(shop: DamagedShop) -> None:
    data = shop.runtime.blobs.read(shop.sha256("3"))
    lose(shop, "3")
    shop.round(mend=True)
    product = workshop.products(shop.runtime)["3"]
    sent = UploadFile(io.BytesIO(data), filename="3.png")
    post_image(product.id, sent, LOCAL_ADMIN, shop.runtime)
    shop.embed()
    assert shop.problem("3") is None
    assert shop.found(deep=True) == {}
    shop.assert_in_line()


def test_a_damaged_file_is_kept_until_its_picture_is_whole_again(shop: DamagedShop) -> None:
    sha256 = shop.sha256("3")
    data = shop.runtime.blobs.read(sha256)
    truncate(shop, "3")
    shop.round(mend=True)
    assert shop.file("damaged", sha256).read_bytes() == data[:40]
    assert not shop.runtime.blobs.exists(sha256)
    shop.runtime.blobs.put(data)
    assert shop.found(mend=True) == {"damaged_copies": 1, "recovered": 1}
    assert not shop.file("damaged", sha256).exists()
    assert shop.found() == {}


def test_bytes_that_an_import_holds_are_stored_again(shop: DamagedShop) -> None:
    data = shop.runtime.blobs.read(shop.sha256("3"))
    workshop.open_import(shop.runtime, {"again.png": data})
    shop.runtime.blobs.stage(shop.sha256("3"), [data], 10**6)
    flip(shop, "3")
    assert shop.found(deep=True) == {"restored": 1}
    assert shop.found(mend=True, deep=True) == {"restored": 1, "damaged_copies": 1}
    assert shop.found(deep=True) == {}
    assert shop.runtime.blobs.read(shop.sha256("3")) == data


def test_bytes_that_come_back_take_the_mark_away_without_encoding_again(
    shop: DamagedShop,
) -> None:
    """A folder that was not mounted for a night."""
    path = shop.file("originals", shop.sha256("3"))
    away = path.rename(path.with_suffix(".away"))
    shop.round(mend=True)
    away.rename(path)
    assert_found_mended_and_gone(shop, "recovered")
    assert shop.problem("3") is None


def test_an_image_that_could_not_be_read_when_it_was_embedded_is_embedded_once_it_can(
    shop: DamagedShop,
) -> None:
    path = shop.file("originals", shop.sha256("3"))
    away = path.rename(path.with_suffix(".away"))
    shop.gallery.delete([shop.image("3")])
    shop.forget_row(shop.image("3"))
    shop.ask_for_embedding()
    shop.embed()
    assert shop.problem("3") == LOST
    assert shop.found(mend=True) == {"lost": 1}
    away.rename(path)
    assert shop.found(mend=True) == {"recovered": 1, "rows_without_point": 1}
    shop.assert_in_line()
    assert shop.problem("3") is None


def test_a_store_that_holds_nothing_at_all_marks_nothing(shop: DamagedShop) -> None:
    blobs = shop.runtime.settings.home / "blobs"
    (blobs / "originals").rename(blobs / "unmounted")
    job = shop.job()
    assert job.state == "running"  # it is tried again in a minute
    assert job.error is not None
    assert "holds no picture, and the catalogue has 6" in job.error
    assert all(shop.problem(str(n)) is None for n in range(6))


def test_a_store_that_goes_away_in_the_middle_marks_nothing(
    shop: DamagedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "PAGE", 2)
    originals = shop.runtime.settings.home / "blobs" / "originals"

    def unmount(_stage: str, done: int, _total: int) -> None:
        if done == 2:
            originals.rename(originals.with_name("unmounted"))

    with pytest.raises(Unavailable, match="holds no picture, and the catalogue has 6"):
        reconcile(shop.runtime, Directly(shop.runtime, unmount), mend=True, alone=True)
    assert all(shop.problem(str(n)) is None for n in range(6))
    originals.with_name("unmounted").rename(originals)
    assert shop.found(mend=True) == {}


def test_a_catalogue_that_is_emptied_meanwhile_is_no_store_that_is_away(
    shop: DamagedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = shop.runtime.blobs.files

    def emptied_first(area: Area) -> Iterator[StoredFile]:
        """After the rows were read, before the files are."""
        with shop.runtime.database.write() as session:
            workshop.delete_all(session, shop.runtime)
        workshop.run_embeds(shop.runtime)
        yield from files(area)

    monkeypatch.setattr(shop.runtime.blobs, "files", emptied_first)
    assert shop.found(mend=True) == {}
    assert shop.blobs() == set()


def test_a_deletion_that_is_half_way_is_no_store_that_is_away(
    shop: DamagedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are gone, and its rows are there until it commits."""
    files, discard = shop.runtime.blobs.files, shop.runtime.blobs.delete
    left, half_way = shop.blobs(), threading.Event()
    with shop.runtime.database.write() as session:
        workshop.delete_all(session, shop.runtime)

    def delete(sha256: str) -> None:
        discard(sha256)
        left.remove(sha256)
        if not left:
            half_way.set()
            time.sleep(0.3)

    def listed_half_way(area: Area) -> Iterator[StoredFile]:
        assert half_way.wait(20)
        yield from files(area)

    monkeypatch.setattr(shop.runtime.blobs, "delete", delete)
    monkeypatch.setattr(shop.runtime.blobs, "files", listed_half_way)
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(shop.found, mend=True)
        workshop.run_embeds(shop.runtime)
        assert looking.result() == {}
    assert shop.blobs() == set()


def age(path, hours: float) -> None:
    moment = time.time() - hours * 3600
    os.utime(path, (moment, moment))


def overwrite_vector(shop: DamagedShop, image_id: str, number: float) -> None:
    """Past the port, which would refuse it."""
    stored = shop.gallery.fetch([image_id])[image_id]
    stored.vector[:] = number
    shop.gallery.restore({image_id: stored})


def test_the_report_of_a_job_names_what_was_found(shop: DamagedShop) -> None:
    orphan = str(uuid.uuid4())
    shop.put_point(orphan)
    lose(shop, "3")
    job = shop.job()
    assert (job.state, job.failed) == ("done", 1)
    found = {"points_without_row": 1}
    (gallery,) = shop.runtime.galleries.names()
    assert job.result == {
        "images": 6, "points": 7, "blobs": 6, "lost": 1, "galleries": {gallery: found}, **found
    }  # fmt: skip
    assert job.done == job.total == 12
    told = [(i.name, i.state, i.outcome, i.reason) for i in workshop.report(shop.runtime, job)]
    sentence = f"1 point whose image is gone ({orphan}): deleted."
    assert told == [
        ("points whose image is gone", "done", "mended", sentence),
        ("3", "failed", "lost", LOST),
    ]
    assert json.dumps(job.result)


def test_a_job_that_only_looks_mends_nothing(shop: DamagedShop) -> None:
    shop.put_point(str(uuid.uuid4()))
    job = shop.job(mend=False)
    assert job.result["points_without_row"] == 1
    (line,) = workshop.report(shop.runtime, job)
    assert line.outcome == "found"
    assert shop.gallery.count() == 7
