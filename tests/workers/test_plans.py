"""An import and its embedding into a large catalogue read no large table whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.catalogue.schemas import ProductUpdate
from backend.catalogue.service import update_product
from backend.database import Database
from backend.encoding.backbone import Backbone
from backend.runtime import Runtime
from tests.backend.catalogue.hundred_thousand import seed
from tests.backend.catalogue.plans import read_whole, recorded
from tests.workers.workshop import activate, import_files, photos, products, run_embeds, use

pytestmark = pytest.mark.long

PRODUCTS = 2000
RIGHT = {"images"}  # counted over an index, and read from the newest for those that are missing


def test_an_import_and_its_embedding_look_up_what_they_need(
    database: Database, runtime: Runtime, backbone: Backbone
) -> None:
    runtime = replace(runtime, database=database)
    use(runtime, backbone)
    seed(database, PRODUCTS, gallery_id=activate(runtime).gallery_id)
    manifest = b"sku,image,colour\nSKU-000007,dress/0.png,red\nA,dress/1.png,red\n"
    with recorded(database) as statements:
        job = import_files(runtime, {"p.csv": manifest, **photos(3)})
        run_embeds(runtime)
    assert (job.result["created"], job.result["updated"]) == (2, 1)
    one = products(runtime)["A"]
    assert one.images[0].embedded
    with recorded(database) as later:
        with database.write() as session:
            update_product(session, runtime.queue, one.id, ProductUpdate(title="New"))
        run_embeds(runtime)
    whole = read_whole(database, [*statements, *later])
    assert whole.keys() <= RIGHT, whole
