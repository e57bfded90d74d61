"""Every kind of damage, made for real: found, mended, and not found again."""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid

import numpy as np
import pytest

from tests.workers import workshop
from tests.workers.reconciliation.damaged_shop import (
    LOST,
    DamagedShop,
    assert_found_mended_and_gone,
    lose,
)
from tests.workers.workshop import photo

STRANGE = hashlib.sha256(b"x").hexdigest()


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


def age(path, hours: float) -> None:
    moment = time.time() - hours * 3600
    os.utime(path, (moment, moment))


def overwrite_vector(shop: DamagedShop, image_id: str, number: float) -> None:
    """Past the port, which would refuse it."""
    stored = shop.gallery.fetch([image_id])[image_id]
    stored.vector[:] = number
    shop.gallery.restore({image_id: stored})


# Jobs


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
