"""A product is deleted after a training: nothing that was kept of its pictures is left."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from backend.catalogue.service import delete_products, get_by_sku
from backend.catalogue.tables import Image
from tests.workers.training.installations import ask, work_on
from tests.workers.workshop import run_embeds
from workers import training_data
from workers.trainer.features import FeatureCache
from workers.training_files import RunFolder


def files_with(home: Path, data: bytes) -> list[Path]:
    """The files below a folder that hold these bytes; SQL's aside, where the audit log keeps its
    line about the deletion, which names the pictures by their hash."""
    files = [path for path in home.rglob("*") if path.is_file()]
    return [
        path
        for path in files
        if "sqlite3" not in path.name
        and (data in path.read_bytes() or path.name.startswith(data.hex()))
    ]


def picture_of(runtime, sku: str) -> tuple[bytes, bytes]:
    """The hash and the bytes of a product's one picture."""
    with runtime.database.read() as session:
        its = select(Image.sha256).where(Image.product_id == get_by_sku(session, sku).id)
        sha256 = session.scalars(its).one()
    return bytes.fromhex(sha256), runtime.blobs.read(sha256)


def delete(runtime, sku: str) -> None:
    with runtime.database.write() as session:
        delete_products(session, runtime.queue, [get_by_sku(session, sku).id])
    run_embeds(runtime)


def test_nothing_of_a_deleted_product_is_left_after_a_training(shop, accepted):
    assert work_on(shop, ask(shop)).state == "done"
    reference, home = accepted[0].reference, shop.settings.home
    key, data = picture_of(shop, reference)
    assert {path.name for path in files_with(home, key)} >= {"keys.bin", key.hex()}
    delete(shop, reference)
    assert files_with(home, key) == []
    assert files_with(home, data) == []


def test_the_features_of_others_stay_as_they_are(shop, accepted):
    assert work_on(shop, ask(shop)).state == "done"
    root = shop.settings.training_folder / "features"
    (folder,) = root.glob("*/images")
    before = (folder / "rows.bin").read_bytes()
    key, _ = picture_of(shop, accepted[0].reference)
    delete(shop, accepted[0].reference)
    after = (folder / "rows.bin").read_bytes()
    width = int((folder / "width.txt").read_text())
    changed = [
        row
        for row in range(len(before) // (4 * width))
        if before[row * 4 * width : (row + 1) * 4 * width]
        != after[row * 4 * width : (row + 1) * 4 * width]
    ]
    assert len(changed) == 1
    assert FeatureCache(root).missing(folder.parent.name, width, [key]) == [key]


def test_what_is_deleted_while_a_training_runs_goes_when_it_ends(shop, accepted, monkeypatch):
    """The snapshot holds the picture, and its features are worked out once more from it."""
    gone: list[tuple[bytes, bytes]] = []
    take = training_data.take_snapshot

    def deleted_behind(*given):
        found = take(*given)
        if not gone:
            gone.append(picture_of(shop, accepted[0].reference))
            delete(shop, accepted[0].reference)
        return found

    monkeypatch.setattr("workers.training.take_snapshot", deleted_behind)
    job_id = ask(shop)
    assert work_on(shop, job_id).state == "done"
    ((key, data),) = gone
    assert not RunFolder(shop.settings.training_folder, job_id).path.exists()
    assert files_with(shop.settings.home, key) == []
    assert files_with(shop.settings.home, data) == []
