"""Jobs as they stand: what runs, how far it is, and what can be done about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from backend.jobs.schemas import JobItemOut
from tests.ui.conftest import Visit, html
from tests.ui.shop import Shop
from tests.ui.shop_jobs import add_job
from ui.jobs import figures, summary


def test_a_running_job_says_how_far_it_is_and_how_long_it_takes() -> None:
    job = add_job(
        *(Shop(), "embed", "running"),
        stage="encoding",
        done=120,
        total=341,
        rate=11.05,
        seconds_left=20,
    )
    assert figures(job) == "Encoding · 120 of 341 · 11.1 a second · about 20 s left"


def test_without_a_total_only_what_is_done_is_told() -> None:
    assert figures(add_job(Shop(), "ingest", "running", done=7, failed=2)) == "7 done · 2 refused"


def test_a_finished_job_says_what_it_did() -> None:
    result = {"created": 30, "updated": 0, "refused": 2, "seconds": {"decode": 1.5}}
    assert summary(add_job(Shop(), "ingest", "done", result=result)) == "30 created · 2 refused"
    assert summary(add_job(Shop(), "ingest", "done", done=1)) == "1 item"


def test_no_jobs_are_told_calmly(visit: Visit) -> None:
    assert "Nothing to do" in html(visit("jobs"))


def test_a_running_job_can_be_cancelled_and_a_cancelled_one_retried(
    visit: Visit, shop: Shop
) -> None:
    job = add_job(shop, "embed", "running")
    page = visit("jobs")
    page.button(key=f"cancel_{job.id}").click().run()
    assert shop.jobs[job.id].state == "cancelled"
    page.button(key=f"retry_{job.id}").click().run()
    assert shop.jobs[job.id].state == "queued"


def test_a_click_that_comes_too_late_is_told_in_passing(visit: Visit, shop: Shop) -> None:
    job = add_job(shop, "embed", "running")
    page = visit("jobs")
    job.state = "done"
    page.button(key=f"cancel_{job.id}").click().run()
    assert "is done already" in page.toast[0].value
    assert not page.exception


def test_a_failed_job_tells_its_error(visit: Visit, shop: Shop) -> None:
    started = datetime.now(UTC) - timedelta(minutes=7)
    add_job(
        shop,
        "ingest",
        "failed",
        error="The disk is full: free some space, then retry.",
        started_at=started,
        finished_at=started + timedelta(seconds=48),
    )
    page = visit("jobs")
    assert page.error[0].value.replace("\\", "").startswith("The disk is full")
    assert "started 7 minutes ago · took 48 s" in [text.value for text in page.caption]


def test_a_report_is_read_only_when_it_is_opened(visit: Visit, shop: Shop) -> None:
    job = add_job(shop, "ingest", "done", failed=1)
    shop.items[job.id] = [
        JobItemOut(
            position=0, name="x.jpg", state="failed", outcome="refused", reason="No picture."
        )
    ]
    page = visit("jobs")
    assert not page.dataframe
    page.session_state[f"report_{job.id}"] = True
    page.run()
    assert list(page.dataframe[0].value["reason"]) == ["No picture."]


def test_a_comparison_tells_what_it_found(visit: Visit, shop: Shop) -> None:
    result = {"images": 6, "points": 7, "blobs": 6, "points_without_row": 1, "lost": 0}
    job = add_job(shop, "reconcile", "done", result=result)
    assert summary(job) == "6 images · 7 points · 6 blobs · 1 points without row"
    sentence = "1 point whose image is gone (p1): deleted."
    shop.items[job.id] = [
        JobItemOut(position=0, name="points", state="done", outcome="mended", reason=sentence)
    ]
    page = visit("jobs")
    assert "**Checking that nothing is missing**" in [text.value for text in page.markdown]
    page.session_state[f"report_{job.id}"] = True
    page.run()
    assert sentence in [text.value.replace("\\", "") for text in page.caption]


def test_a_comparison_that_found_nothing_says_so(visit: Visit, shop: Shop) -> None:
    job = add_job(shop, "reconcile", "done")
    page = visit("jobs")
    page.session_state[f"report_{job.id}"] = True
    page.run()
    assert "Everything agrees." in [text.value for text in page.caption]
