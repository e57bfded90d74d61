"""Whatever is put out of line at once: after one round all agree, and a second finds nothing."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.workers.reconciliation.damaged_shop import DamagedShop

PRODUCTS = 5
which = st.sets(st.sampled_from(range(PRODUCTS)))
few = st.integers(0, 3)


@pytest.fixture
def embedded(open_shop: Callable[[str], DamagedShop]) -> DamagedShop:
    """One shop for all examples: each leaves it in line."""
    shop = open_shop("embedded")
    shop.fill(PRODUCTS)
    return shop


@pytest.mark.long
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(points=which, rows=which, strange_points=few, strange_files=few, thumbnails=which)
def test_one_round_mends_it(
    embedded: DamagedShop,
    points: set[int],
    rows: set[int],
    strange_points: int,
    strange_files: int,
    thumbnails: set[int],
) -> None:
    shop = embedded
    ids = shop.ids()
    shop.gallery.delete([ids[n] for n in points])
    for n in rows:
        shop.forget_row(ids[n])
    for _ in range(strange_points):
        shop.put_point(str(uuid.uuid4()))
    for n in range(strange_files):
        data = f"strange {n}".encode()
        shop.put_file("originals", hashlib.sha256(data).hexdigest(), data)
    for n in thumbnails:
        shop.put_file("thumbnails", hashlib.sha256(str(n).encode()).hexdigest() + ".webp")
    shop.end_embed_jobs()

    expected = {
        "rows_without_point": len(points - rows),
        "points_without_row": strange_points,
        "blobs_without_row": strange_files,
        "renditions_without_blob": len(thumbnails),
    }
    expected = {kind: count for kind, count in expected.items() if count}
    found = shop.found(mend=True)
    found.pop("unattended", None)
    assert found == expected
    shop.embed()
    assert shop.found(deep=True) == {}
    shop.assert_in_line()
