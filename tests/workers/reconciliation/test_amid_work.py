"""Reconciliation while imports, embed jobs and deletions go on: it takes nothing away from them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest

from backend import clock
from backend.errors import Unavailable
from tests.workers import workshop
from tests.workers.reconciliation.damaged_shop import DamagedShop
from workers.reconciliation.rounds import Round

pytestmark = pytest.mark.long

PICTURES = 48
SLOW_ON_A_SERVER = [
    "embedded",
    pytest.param("server", marks=[pytest.mark.services, pytest.mark.slow]),
]


@pytest.mark.parametrize("profile", SLOW_ON_A_SERVER)
def test_an_import_and_its_embedding_are_let_alone(
    open_shop: Callable[[str], DamagedShop], profile: str
) -> None:
    """Without any grace, which would hide a mistake: what saves the files is the waiting."""
    shop = open_shop(profile)
    files = workshop.photos(PICTURES)
    over = threading.Event()

    def work() -> None:
        try:
            workshop.import_files(shop.runtime, dict(list(files.items())[: PICTURES // 2]))
            workshop.run_embeds(shop.runtime)
            workshop.import_files(shop.runtime, files)
            workshop.run_embeds(shop.runtime)
            with shop.runtime.database.write() as session:
                workshop.delete_all(session, shop.runtime)
            workshop.run_embeds(shop.runtime)
            workshop.import_files(shop.runtime, files)
            workshop.run_embeds(shop.runtime)
        finally:
            over.set()

    found: list[dict[str, int]] = []
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        while not over.is_set():
            found.append(shop.found(mend=True, alone=False))
        working.result()
    assert found
    assert all(one == {} for one in found), found
    shop.assert_in_line()
    assert len(shop.ids()) == PICTURES


@pytest.mark.parametrize("profile", SLOW_ON_A_SERVER)
def test_files_taken_away_under_an_import_are_stored_again(
    open_shop: Callable[[str], DamagedShop], profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if every file had lain about for an hour: rounds delete what has no row yet."""
    later = clock.now() + timedelta(days=1)
    cutoff = Round.cutoff
    monkeypatch.setattr(
        Round, "cutoff", lambda this, *grace: cutoff(this, *grace) if grace else later
    )
    shop = open_shop(profile)
    over = threading.Event()

    def work() -> None:
        try:
            for number in range(4):
                some = dict(list(workshop.photos(PICTURES).items())[number * 12 : number * 12 + 12])
                job = workshop.import_files(shop.runtime, some)
                assert (job.state, job.failed) == ("done", 0)
        finally:
            over.set()

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        while not over.is_set():
            with suppress(Unavailable):  # where no file was left for a moment
                shop.found(mend=True, alone=False)
        working.result()
    shop.embed()
    assert all(shop.problem(sku) is None for sku in workshop.products(shop.runtime))
    shop.assert_in_line()
    assert len(shop.ids()) == PICTURES
