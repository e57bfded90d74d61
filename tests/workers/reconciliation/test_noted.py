"""What a reconciliation leaves behind: its findings gallery by gallery, and a line of the log."""

from __future__ import annotations

import uuid

from backend.audit.schemas import AuditFilter, AuditLineOut
from backend.audit.service import all_lines
from backend.cli import reconcile_here
from backend.jobs.schemas import ReconcileRequest
from backend.registry.gallery_schemas import GalleryOut
from backend.registry.gallery_states import read_states, with_points
from tests.workers.reconciliation.damaged_shop import DamagedShop

LOOK, MEND = ReconcileRequest(mend=False), ReconcileRequest(mend=True)


def gallery(shop: DamagedShop) -> GalleryOut:
    with shop.runtime.database.read() as session:
        states = read_states(session)
    (found,) = with_points(states, shop.runtime.galleries).galleries
    return found


def ends(shop: DamagedShop) -> list[AuditLineOut]:
    return list(all_lines(shop.runtime.database, AuditFilter(action="reconcile.end")))


def test_a_look_and_a_mending_are_told_at_the_gallery(shop: DamagedShop) -> None:
    shop.gallery.delete(shop.ids()[:2])
    shop.put_point(str(uuid.UUID(int=7)))
    before = gallery(shop)
    assert (before.embedded, before.held, before.points, before.found) == (6, 6, 5, None)
    damage = {"rows_without_point": 2, "points_without_row": 1}
    for request in (LOOK, MEND):
        shop.job(mend=request.mend)
        assert gallery(shop).found == damage
    assert [line.after["points_without_row"] for line in ends(shop)] == [1, 1]
    mended = gallery(shop)
    assert (mended.missing, mended.points, mended.complete) == (2, 4, False)
    assert mended.job is not None
    shop.embed()
    shop.job(mend=True)
    whole = gallery(shop)
    assert (whole.embedded, whole.points, whole.complete, whole.found) == (6, 6, True, {})


def test_what_the_command_mends_without_a_server_is_noted_too(shop: DamagedShop) -> None:
    shop.put_point(str(uuid.UUID(int=7)))

    def run(request: ReconcileRequest) -> None:
        assert reconcile_here(shop.runtime, request, True, lambda *_: None).found <= 1

    run(LOOK)
    assert ends(shop) == []
    run(MEND)
    (line,) = ends(shop)
    assert (line.actor, line.label) == ("local", "akin doctor")
    assert line.after["points_without_row"] == 1
    run(MEND)
    assert len(ends(shop)) == 1
