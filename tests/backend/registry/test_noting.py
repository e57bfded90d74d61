"""Every change to the models leaves its line in the audit log."""

from __future__ import annotations

import pytest

from backend.audit.schemas import AuditFilter, AuditLineOut
from backend.audit.service import all_lines
from backend.client import AkinClient
from backend.registry import promotion
from backend.registry.deployments import deploy
from backend.registry.schemas import PromoteRequest, RollbackRequest, VersionChange
from backend.runtime import Runtime
from tests.backend.registry.stock import add_picture, add_version, figures, hold
from tests.backend.registry.test_version_routes import (  # noqa: F401 - fixtures
    client,
    database,
    folder,
    http,
    now,
    packed,
)

LEAVES = {
    "PUT /v1/models/import": "model.import",
    "POST /v1/models/{version_id}/promote": "model.promote",
    "POST /v1/models/rollback": "model.rollback",
    "PATCH /v1/models/{version_id}": "model.rename",
    "DELETE /v1/models/{version_id}": "model.delete",
    "DELETE /v1/promotion": "model.promotion_withdraw",
    "POST /v1/train": "model.train",
    "POST /v1/models/{version_id}/measure": "model.measure",
}
"""Which line each operation of the API that changes a model leaves (see test_every_change)."""


def lines(runtime: Runtime) -> list[AuditLineOut]:
    """Of the models, oldest first."""
    return list(all_lines(runtime.database, AuditFilter(action="model.")))[::-1]


def test_the_life_of_a_version_is_told(client: AkinClient, runtime: Runtime, folder, now):  # noqa: F811
    version = client.import_model(packed(folder), "mine")
    client.promote(version.id, PromoteRequest(reason="to see", override=True))
    client.rollback(RollbackRequest(reason="seen"))
    client.change_version(version.id, VersionChange(name="better"))
    client.change_version(version.id, VersionChange(archived=True))
    client.change_version(version.id, VersionChange(archived=False))
    client.delete_version(version.id)
    told = lines(runtime)
    assert [line.action for line in told] == [
        "model.start",
        "model.import",
        "model.promote",
        "model.rollback",
        "model.rename",
        "model.archive",
        "model.restore",
        "model.delete",
    ]
    assert [line.label for line in told[:4]] == [now.version, "mine", "mine", now.version]
    promoted, renamed = told[2], told[4]
    assert promoted.before["answering"] == now.version
    assert promoted.after["answering"] == "mine"
    assert promoted.after["reason"] == "to see"
    assert promoted.after["overridden"].startswith("mine was not measured on held-out triplets")
    assert (renamed.before, renamed.after) == ({"name": "mine"}, {"name": "better"})
    assert {line.actor for line in told[1:]} == {"local"}


@pytest.mark.parametrize("how", ["withdrawn", "refused", "switched"])
def test_a_promotion_that_waits_is_told_to_its_end(client, runtime, now, how):  # noqa: F811
    image_id = add_picture(runtime, "A", now.gallery_id)
    with runtime.database.write() as session:
        facts = figures(now, 90.0, 80.0)
        seeing = add_version(session, now, "seeing", fingerprint="9" * 64, figures=facts)
        better = add_version(session, now, "better", figures=facts)
        ids = seeing.id, better.id
    gallery = client.promote(ids[0], PromoteRequest(reason="sharper")).gallery
    asked = lines(runtime)[-1]
    assert (asked.action, asked.label) == ("model.promotion_ask", "seeing")
    assert (asked.after["gallery"], asked.after["reason"]) == (gallery, "sharper")
    if how == "withdrawn":
        client.withdraw_promotion()
        assert lines(runtime)[-1].action == "model.promotion_withdraw"
        return
    with runtime.database.write() as session:
        if how == "refused":
            one = session.get_one(type(better), ids[1])
            deploy(session, one, now.gallery_id, actor="bob", reason="")
        hold(session, image_id, gallery)
        promotion.switch(session)
    last = lines(runtime)[-1]
    if how == "refused":
        assert (last.action, last.actor) == ("model.promotion_refuse", "akin")
    else:
        assert (last.action, last.actor) == ("model.promote", "local")
        assert last.after["answering"] == "seeing"
