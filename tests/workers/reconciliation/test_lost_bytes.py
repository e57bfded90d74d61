"""Pictures whose stored bytes are gone: told, healed, and never taken for a store that is away."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import UploadFile

from backend.accounts.actor import LOCAL_ADMIN
from backend.blob_files import StoredFile
from backend.blobs import Area
from backend.catalogue.routes import post_image
from backend.errors import Unavailable
from tests.workers import workshop
from tests.workers.reconciliation.damaged_shop import (
    LOST,
    DamagedShop,
    assert_found_mended_and_gone,
    lose,
)
from workers.reconciliation import rounds
from workers.reconciliation.reconcile import reconcile
from workers.reconciliation.rounds import Directly


def truncate(shop: DamagedShop, sku: str) -> None:
    path = shop.file("originals", shop.sha256(sku))
    path.write_bytes(path.read_bytes()[:40])


def flip(shop: DamagedShop, sku: str) -> None:
    path = shop.file("originals", shop.sha256(sku))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


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
