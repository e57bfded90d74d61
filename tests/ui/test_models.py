"""The models' page: what answers, promotion and its gate, rollback, what is done with versions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backend.client import AkinClient
from backend.registry.schemas import VersionOut
from backend.training.schemas import LogLineOut, PointOut
from tests.ui.conftest import Visit, html, run
from tests.ui.shop import OPENED, Shop
from tests.ui.shop_jobs import add_job
from tests.ui.standin_admin import add_gallery
from tests.ui.standin_models import add_version, deploy, training, waiting
from ui.connection import TOKEN
from ui.version_figures import chart, held_out, table

FIGURES: dict[str, Any] = {
    "held_out": {
        "triplets": 240,
        "split": "test",
        "active": "v1",
        "ways": {
            "composed": {"R@1": [60.0, 55.0, 65.0], "R@10": [91.3, 88.0, 94.0]},
            "active": {"R@1": [50.0, 45.0, 55.0], "R@10": [88.9, 85.0, 92.0]},
            "image": {"R@1": [20.0, 15.0, 25.0], "R@10": [70.0, 65.0, 75.0]},
            "text": {"R@1": [9.0, 5.0, 13.0], "R@10": [37.0, 30.5, 44.0]},
        },
    }
}


@pytest.fixture
def first(shop: Shop) -> VersionOut:
    """The sum, which answers over a gallery that holds everything."""
    version = add_version(shop, "akin-demo · sum")
    add_gallery(shop, "g-9f86", active=True)
    deploy(shop, version.id, "the backbone of the settings at start")
    return version


def measured(shop: Shop, **facts: Any) -> VersionOut:
    """A trained version with figures."""
    told = {"recipe": "combiner", "parent": "akin-demo · sum", "figures": FIGURES} | facts
    return add_version(shop, "combiner *1*", **told)


def dialog(name: str, version: VersionOut) -> AppTest:
    """One of the dialogs opened for a version."""
    script = f"""
        from ui import version_dialogs as d
        from ui.connection import client
        from ui.models_known import look
        known, version = look(), client().version('{version.id}')
        costs = (known.to_embed(version),) if '{name}' == 'promote' else ()
        d.{name}(version, *costs)
    """
    return run("\n".join(line.strip() for line in script.splitlines()))


def captions(page: AppTest) -> list[str]:
    return [text.value.replace("\\", "") for text in page.caption]


def keys(page: AppTest) -> set[str]:
    return {str(one.key) for one in page.button}


def toasts(page: AppTest) -> list[str]:
    return [toast.value.replace("\\", "") for toast in page.toast]


def test_what_answers_is_told_with_its_reason(visit: Visit, first: VersionOut) -> None:
    page = visit("models")
    assert not page.exception
    assert "<h3>akin-demo · sum</h3>" in html(page)
    assert "a backbone as it is on akin-demo · for a moment · by ann" in html(page)
    assert "<p>the backbone of the settings at start</p>" in html(page)
    assert f"promote_{first.id}" not in keys(page)
    assert f"delete_{first.id}" not in keys(page)


def test_a_version_shows_its_figures_as_a_picture(
    visit: Visit, shop: Shop, first: VersionOut
) -> None:
    data = {"counts": {"triplets": 870, "images": 1044}, "splits": ["train", "val"]}
    version = measured(shop, data=data, parameters={"lr": 2e-05, "added": None})
    page = visit("models")
    told = "combiner · from akin-demo · sum · image tower 9f86d081"
    assert f"{told} · shares the gallery of today: instant" in captions(page)
    assert "91.3, between 88.0 and 94.0" in html(page)
    assert "on 240 held-out triplets of test" in html(page)
    page.session_state[f"details_{version.id}"] = True
    page.run()
    assert not page.exception
    assert page.dataframe[0].value.iloc[1]["R@10"] == "88.9  (85.0 to 92.0)"
    trained_on, options = (frame.value["value"].tolist() for frame in page.dataframe[1:])
    assert trained_on == ["870 triplets, 1,044 images", "train, val"]
    assert options == ["2e-05"]


def test_the_scale_of_the_figures_holds_all_intervals() -> None:
    found = held_out(FIGURES)
    assert found is not None
    assert "<u>30</u><u>100</u>" in chart(found)
    assert chart(found, "R@99") == ""
    assert table(found)[0]["asked with"] == "this version"
    assert held_out({}) is None
    assert held_out({"held_out": {"triplets": "many"}}) is None


def test_what_was_not_measured_says_so(visit: Visit, shop: Shop, first: VersionOut) -> None:
    measured(shop, figures={})
    assert "Not measured on held-out triplets of the catalogue." in captions(visit("models"))


def test_what_promotion_costs_is_told_at_each_version(
    visit: Visit, shop: Shop, first: VersionOut
) -> None:
    add_gallery(shop, "g-kept")
    add_gallery(shop, "g-part", missing=7, stale=1)
    measured(shop, gallery="g-kept")
    add_version(shop, "part", gallery="g-part")
    add_version(shop, "new", gallery=None)
    ends = [told.rpartition(" · ")[2] for told in captions(visit("models"))]
    assert "its gallery is kept: instant" in ends
    assert "its gallery lacks 8 pictures" in ends
    assert "its gallery is to be built: 48 pictures" in ends


def test_promoting_what_passes_the_gate_is_instant(api: str, shop: Shop, first: VersionOut) -> None:
    version = measured(shop)
    page = dialog("promote", version)
    assert captions(page)[0] == "It takes over at once: no picture is embedded anew."
    page.button(key=f"promote_yes_{version.id}").click().run()
    assert "combiner *1* answers searches now." in toasts(page)
    assert shop.deployments[-1].version_id == version.id


def test_what_fails_the_gate_needs_a_reason_to_be_promoted(
    api: str, shop: Shop, first: VersionOut
) -> None:
    version = measured(shop, figures={})
    page = dialog("promote", version)
    button = f"promote_yes_{version.id}"
    page.button(key=button).click().run()
    assert "does not pass the gate" in page.warning[0].value
    assert page.button(key=button).label == "Promote all the same"
    page.button(key=button).click().run()
    assert "An override needs its reason" in page.error[0].value
    assert len(shop.deployments) == 1
    page.text_area[0].set_value("it is a demo").run()
    page.button(key=button).click().run()
    assert shop.deployments[-1].reason == "it is a demo"
    assert shop.deployments[-1].gate["overridden"] is True


def test_a_new_image_tower_waits_for_its_gallery(
    visit: Visit, shop: Shop, first: VersionOut
) -> None:
    version = measured(shop, gallery=None)
    page = dialog("promote", version)
    assert "48 pictures are embedded first" in captions(page)[0]
    page.button(key=f"promote_yes_{version.id}").click().run()
    assert shop.promotion is not None
    page = visit("models")
    bar = page.get("progress")[0].proto.text.replace("\\", "")
    assert bar.endswith("takes over once its gallery holds the catalogue · 12 of 48 pictures")
    assert page.button(key=f"promote_{version.id}").disabled
    page.button(key="withdraw").click().run()
    assert shop.promotion.state == "withdrawn"
    page.run()
    assert not page.get("progress")


def test_a_refused_promotion_says_why_until_another_is_deployed(
    visit: Visit, shop: Shop, first: VersionOut
) -> None:
    version = measured(shop)
    shop.promotion = waiting(version, state="refused", error="It does not pass the gate.")
    assert "It does not pass the gate" in visit("models").warning[0].value
    shop.promotion.created_at -= timedelta(hours=1)
    assert not visit("models").warning


def test_rolling_back_says_what_answers_again(visit: Visit, shop: Shop, first: VersionOut) -> None:
    assert visit("models").button(key="rollback").disabled
    deploy(shop, measured(shop).id, "better")
    assert not visit("models").button(key="rollback").disabled
    page = run(
        "from ui import version_dialogs; from ui.connection import client\n"
        "version_dialogs.roll_back('combiner *1*', client().way_back())"
    )
    assert page.markdown[0].value == (
        r"**akin\-demo · sum** answers all searches again, at once, in place of combiner \*1\*."
    )
    page.text_input(key="rollback_reason").set_value("complaints").run()
    page.button(key="rollback_yes").click().run()
    assert "akin-demo · sum answers searches again." in toasts(page)
    page = visit("models")
    assert "<p>rollback from combiner *1*: complaints</p>" in html(page)
    assert "not asked: a rollback" in html(page)


def test_the_history_tells_who_overrode_what(visit: Visit, shop: Shop, first: VersionOut) -> None:
    gate = {"passed": False, "reason": "R@10 80.0, <b>sum</b> has 88.9", "overridden": True}
    for _ in range(11):
        deploy(shop, first.id, "<i>because</i>", gate)
    page = visit("models")
    assert "overridden: R@10 80.0, &lt;b&gt;sum&lt;/b&gt; has 88.9" in html(page)
    assert "&lt;i&gt;because&lt;/i&gt;" in html(page)
    assert html(page).count("<tr>") == 11
    page.button(key="more_deployments").click().run()
    assert html(page).count("<tr>") == 13


def test_a_taken_name_is_refused_and_another_is_kept(
    api: str, shop: Shop, first: VersionOut
) -> None:
    version = measured(shop)
    page = dialog("rename", version)
    page.text_input[0].set_value("akin-demo · sum").run()
    page.button(key=f"rename_yes_{version.id}").click().run()
    assert "There is a model version called" in page.error[0].value
    assert page.text_input[0].value == "akin-demo · sum"
    page.text_input[0].set_value("winter").run()
    page.button(key=f"rename_yes_{version.id}").click().run()
    assert version.name == "winter"


def test_an_archived_version_is_restored(visit: Visit, shop: Shop, first: VersionOut) -> None:
    version = measured(shop)
    page = visit("models")
    page.button(key=f"archive_{version.id}").click().run()
    assert shop.versions[version.id].state == "archived"
    assert f"promote_{version.id}" not in keys(page)
    assert page.button(key=f"archive_{version.id}").label == "Restore"
    page.button(key=f"archive_{version.id}").click().run()
    assert f"promote_{version.id}" in keys(page)


def test_a_version_is_measured_again(visit: Visit, shop: Shop, first: VersionOut) -> None:
    version = measured(shop)
    page = visit("models")
    page.button(key=f"measure_{version.id}").click().run()
    assert [(job.kind, job.subject) for job in shop.jobs.values()] == [("evaluate", version.id)]
    assert [one.value for one in page.toast] == [
        "Its figures are here once the measuring is done: see Jobs."
    ]


def test_what_another_was_trained_from_is_not_deleted(
    api: str, shop: Shop, first: VersionOut
) -> None:
    version = measured(shop)
    child = add_version(shop, "child", parent=version.name)
    page = dialog("delete", version)
    page.button(key=f"delete_yes_{version.id}").click().run()
    assert "because child was trained from it" in page.error[0].value
    del shop.versions[child.id]
    page.button(key=f"delete_yes_{version.id}").click().run()
    assert version.id not in shop.versions


def test_versions_are_shown_by_state(visit: Visit, shop: Shop, first: VersionOut) -> None:
    for number in range(11):
        add_version(shop, f"old {number}", state="archived")
    page = visit("models")
    page.button_group(key="versions_state").set_value("archived").run()
    shown = [text.value for text in page.markdown if text.value.startswith("**")]
    assert shown == [f"**old {number}**" for number in range(10, 0, -1)]
    page.button(key="more_versions").click().run()
    assert "**old 0**" in [text.value for text in page.markdown]


def test_a_training_shows_its_curves_and_can_be_cancelled(
    visit: Visit, shop: Shop, first: VersionOut
) -> None:
    job = training(shop, "combiner 2", seconds_left=30.0)
    shop.curves[job.id] = [
        PointOut(step=step, epoch=1, loss=2.0, lr=0.1, seconds=1, figures={"selected": 80.0 + step})
        for step in (10, 20)
    ]
    shop.logs[job.id] = [
        LogLineOut(number=n, text=f"line {n}", created_at=OPENED) for n in range(6)
    ]
    page = visit("models")
    assert not page.exception
    bar = page.get("progress")[0].proto.text.replace("\\", "")
    assert bar == "Training · 40 of 200 · about 30 s left"
    assert "Figure that chooses the weights, in percent" in captions(page)
    assert [text for text in captions(page) if text.startswith("line")] == [
        f"line {n}" for n in range(2, 6)
    ]
    page.button(key=f"cancel_{job.id}").click().run()
    assert shop.jobs[job.id].state == "cancelled"


def test_a_failed_training_says_why_and_is_tried_again(
    visit: Visit, shop: Shop, first: VersionOut
) -> None:
    version = add_version(shop, "bad", state="failed", recipe="combiner", error="It has no *data*.")
    job = add_job(shop, "train", "failed", subject=version.id)
    page = visit("models")
    assert page.error[0].value.replace("\\", "") == "It has no *data*."
    page.button(key=f"retry_{version.id}").click().run()
    assert shop.jobs[job.id].state == "queued"


def test_a_model_is_brought_in_and_what_is_none_is_refused(
    visit: Visit, shop: Shop, first: VersionOut
) -> None:
    page = visit("models")
    assert page.button(key="model_send").disabled
    page.file_uploader(key="model_file_0").upload("bad.zip", b"text", "application/zip").run()
    page.text_input(key="model_name_0").set_value("of winter").run()
    page.button(key="model_send").click().run()
    assert "The model is no zip" in page.error[0].value
    assert page.text_input(key="model_name_0").value == "of winter"
    page.file_uploader(key="model_file_0").set_value(("m.zip", b"PK..", "application/zip")).run()
    page.button(key="model_send").click().run()
    assert [one.name for one in shop.versions.values()] == ["akin-demo · sum", "of winter"]


def test_a_download_is_signed_once_it_is_wanted(
    visit: Visit, shop: Shop, first: VersionOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not at every draw of every card: each is a question to the API."""
    signed: list[str] = []

    def link(_: AkinClient, path: str) -> str:
        signed.append(path)
        return f"{path}?signature=1"

    monkeypatch.setattr(AkinClient, "link", link)
    version = measured(shop)
    page = visit("models")
    page.session_state[TOKEN] = "a token"
    assert not page.run().exception
    assert signed == []
    page.session_state[f"export_{version.id}"] = True
    page.run()
    assert signed == [f"/v1/models/{version.id}/artefact"]
    (download,) = page.get("link_button")
    assert download.proto.url.endswith("?signature=1")
