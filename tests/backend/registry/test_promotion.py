"""Which version answers: promoted by its figures, at once or when its gallery is full; and back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, update

from backend.errors import Conflict, InvalidInput, NotFound
from backend.jobs.tables import Job
from backend.registry import promotion
from backend.registry.deployments import Active, active, deploy
from backend.registry.gate import judge
from backend.registry.history import last_promotion, list_deployments
from backend.registry.tables import Deployment, Embedding, GalleryRow, ModelVersion, Promotion
from backend.runtime import Runtime
from tests.backend.registry.stock import add_picture, add_version, figures, hold, start

OTHER = "9" * 64
OTHERS = f"g-{OTHER[:12]}"


@pytest.fixture
def now(runtime: Runtime, tiny) -> Active:
    return start(runtime, tiny)


@pytest.fixture
def better(runtime: Runtime, now: Active) -> str:
    """A version with the same towers and better figures."""
    with runtime.database.write() as session:
        return add_version(session, now, "better", figures=figures(now, 90.0, 80.0)).id


@pytest.fixture
def seeing(runtime: Runtime, now: Active) -> str:
    """A version with another image tower and better figures."""
    facts = figures(now, 90.0, 80.0)
    with runtime.database.write() as session:
        return add_version(session, now, "seeing", fingerprint=OTHER, figures=facts).id


def promote(runtime: Runtime, version_id: str, **request):
    with runtime.database.write() as session:
        done = promotion.promote(session, runtime.queue, version_id, actor="ann", **request)
        session.flush()
        return done


def rollback(runtime: Runtime, reason: str = "") -> Active:
    with runtime.database.write() as session:
        return promotion.rollback(session, actor="ann", reason=reason)


def answering(runtime: Runtime) -> Active:
    with runtime.database.read() as session:
        return active(session)


def test_a_version_with_the_same_image_tower_answers_at_once(runtime, now, better):
    done = promote(runtime, better)
    assert answering(runtime) == done
    assert (done.version, done.gallery_id) == ("better", now.gallery_id)
    with runtime.database.read() as session:
        newest = list_deployments(session).items[0]
        assert session.scalars(select(Job)).all() == []
    assert newest.reason == f"R@10 90.0 on 200 held-out triplets, {now.version} has 80.0"
    assert newest.gate == {"passed": True, "reason": newest.reason, "overridden": False}


def test_rolling_back_is_a_row_and_goes_further_back_each_time(runtime, now, better):
    promote(runtime, better)
    with runtime.database.write() as session:
        best = add_version(session, now, "best", figures=figures(active(session), 91.0, 90.0)).id
    promote(runtime, best)
    assert rollback(runtime, "odd answers").version == "better"
    assert rollback(runtime) == now
    with pytest.raises(Conflict, match="There is nothing to go back to"):
        rollback(runtime)
    with runtime.database.read() as session:
        reasons = [one.reason for one in list_deployments(session).items]
    assert reasons[:2] == ["rollback from better", "rollback from best: odd answers"]


def test_there_may_be_nothing_to_go_back_to(runtime, now):
    with pytest.raises(Conflict, match="There is nothing to go back to from tiny · sum: no earlie"):
        rollback(runtime)


def test_an_archived_version_is_not_gone_back_to(runtime, now, better):
    promote(runtime, better)
    with runtime.database.write() as session:
        session.get_one(ModelVersion, now.version_id).state = "archived"
    with pytest.raises(Conflict, match="There is nothing to go back to from better"):
        rollback(runtime)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({}, "worse was not measured on held-out triplets beside tiny · sum: measure it first"),
        ({"new": 79.9}, "R@10 79.9 on 200 held-out triplets, tiny · sum has 80.0"),
        (
            {"new": 90.0, "triplets": 99},
            "it was measured on 99 held-out triplets, and fewer than 100 say too little",
        ),
    ],
)
def test_the_gate_is_to_be_met_or_overridden_with_a_reason(runtime, now, facts, told):
    measured = figures(now, old=80.0, **facts) if facts else {}
    with runtime.database.write() as session:
        worse = add_version(session, now, "worse", figures=measured).id
    with pytest.raises(Conflict) as refused:
        promote(runtime, worse)
    assert refused.value.sentence == (
        f"worse does not pass the gate ({told}); an admin can override that with a reason."
    )
    with pytest.raises(InvalidInput, match="An override needs its reason: say why the gate does"):
        promote(runtime, worse, override=True, reason=" ")
    promote(runtime, worse, override=True, reason="the triplets are old")
    with runtime.database.read() as session:
        newest = list_deployments(session).items[0]
    assert (newest.version, newest.reason) == ("worse", "the triplets are old")
    assert newest.gate["overridden"]


def test_equal_figures_pass_the_gate(runtime, now):
    with runtime.database.write() as session:
        version = add_version(session, now, "equal", figures=figures(now, 80.0, 80.0))
        assert judge(version, now).passed


def test_figures_beside_another_version_say_nothing(runtime, now, better):
    promote(runtime, better)
    with runtime.database.write() as session:
        version = add_version(session, now, "third", figures=figures(now, 99.0, 80.0))
        assert not judge(version, active(session)).passed


@pytest.mark.parametrize("state", ["training", "failed", "archived"])
def test_only_a_ready_version_is_promoted(runtime, now, state):
    with runtime.database.write() as session:
        version_id = add_version(session, now, "mine", state=state).id
    with pytest.raises(Conflict, match=f"mine is {state}: only a version that is ready can be"):
        promote(runtime, version_id)


def test_what_answers_already_is_told(runtime, now):
    with pytest.raises(Conflict, match="tiny · sum answers searches already: nothing was changed"):
        promote(runtime, now.version_id)
    with pytest.raises(NotFound, match="There is no model version nothing"):
        promote(runtime, "nothing")


def test_a_new_image_tower_waits_for_its_gallery(runtime, now, seeing):
    add_picture(runtime, "TEE", now.gallery_id)
    waiting = promote(runtime, seeing, reason="sharper")
    assert isinstance(waiting, Promotion)
    assert answering(runtime) == now
    with runtime.database.read() as session:
        gallery = session.get_one(GalleryRow, OTHERS)
        assert (gallery.fingerprint, gallery.dim) == (OTHER, 16)
        job = session.scalars(select(Job)).one()
        assert (job.kind, job.subject, job.actor) == ("reembed", OTHERS, "ann")
        told = last_promotion(session)
    assert (told.state, told.held, told.images, told.job) == ("waiting", 0, 1, job.id)


def test_it_switches_only_when_the_gallery_holds_what_the_active_one_holds(runtime, now, seeing):
    images = [add_picture(runtime, sku, now.gallery_id) for sku in ("A", "B", "C")]
    add_picture(runtime, "JUST-CAME")  # neither gallery has it: no search misses it
    promote(runtime, seeing)
    for number, image_id in enumerate(images):
        with runtime.database.write() as session:
            assert promotion.lacking(session, OTHERS, now.gallery_id) == 3 - number
            assert promotion.switch(session) is None
            hold(session, image_id, OTHERS, error="no picture" if number == 1 else None)
    with runtime.database.write() as session:
        done = promotion.switch(session)
        assert promotion.switch(session) is None
    assert done == answering(runtime)
    assert (done.version, done.gallery_id) == ("seeing", OTHERS)
    with runtime.database.read() as session:
        assert last_promotion(session).state == "deployed"


def test_an_edit_that_only_the_active_gallery_has_seen_is_waited_for(runtime, now, seeing):
    image_id = add_picture(runtime, "A", now.gallery_id)
    promote(runtime, seeing)
    with runtime.database.write() as session:
        hold(session, image_id, OTHERS, image_revision=0)
        assert promotion.lacking(session, OTHERS, now.gallery_id) == 1
        session.execute(update(Embedding).values(image_revision=0))
        assert promotion.lacking(session, OTHERS, now.gallery_id) == 0, "neither has seen it"


def test_a_gallery_that_is_full_already_is_used_at_once(runtime, now, seeing):
    add_picture(runtime, "A", now.gallery_id)
    promote(runtime, seeing)
    with runtime.database.write() as session:
        image_id = session.scalars(select(Embedding.image_id)).one()
        hold(session, image_id, OTHERS)
        promotion.switch(session)
    back = rollback(runtime)
    assert back == now
    with runtime.database.write() as session:
        session.get_one(ModelVersion, seeing).figures = figures(now, 91.0, 80.0)
    assert isinstance(promote(runtime, seeing), Active)


def test_the_gate_is_asked_again_at_the_switch(runtime, now, seeing, better):
    """Another version was promoted meanwhile: the figures beside the old one say nothing."""
    image_id = add_picture(runtime, "A", now.gallery_id)
    promote(runtime, seeing)
    with runtime.database.write() as session:
        one = session.get_one(ModelVersion, better)
        deploy(session, one, now.gallery_id, actor="test", reason="")
        hold(session, image_id, OTHERS)
        assert promotion.switch(session) is None
    with runtime.database.read() as session:
        told = last_promotion(session)
    assert told.state == "refused"
    assert told.error is not None
    assert told.error.startswith("seeing does not pass the gate (seeing was not measured")
    assert answering(runtime).version == "better"


def test_one_promotion_waits_at_a_time_and_can_be_withdrawn(runtime, now, seeing, better):
    add_picture(runtime, "A", now.gallery_id)
    promote(runtime, seeing)
    with pytest.raises(Conflict, match="seeing is being promoted already: wait for it, or withd"):
        promote(runtime, better)
    with runtime.database.write() as session:
        assert promotion.withdraw(session, "ann").state == "withdrawn"
        with pytest.raises(NotFound, match="No promotion is waiting: nothing was changed"):
            promotion.withdraw(session, "ann")
    assert promote(runtime, better).version == "better"


def test_promotions_at_once_end_with_one_of_them(runtime, now):
    with runtime.database.write() as session:
        ids = [
            add_version(session, now, f"v{n}", figures=figures(now, 90.0, 80.0)).id
            for n in range(4)
        ]

    def attempt(version_id: str) -> bool:
        try:
            promote(runtime, version_id)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as admins:
        won = list(admins.map(attempt, ids))
    assert sum(won) == 1, "the others were measured beside what answered before"
    with runtime.database.read() as session:
        assert len(session.scalars(select(Deployment)).all()) == 2


def test_deployments_are_paged_newest_first(runtime, now, better):
    for _ in range(2):
        promote(runtime, better)
        rollback(runtime)
    found, cursor = [], None
    while True:
        with runtime.database.read() as session:
            page = list_deployments(session, cursor=cursor, limit=2)
        assert page.total == 5
        found += [one.version for one in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert found == [now.version, "better", now.version, "better", now.version]


def test_a_deployment_outlives_its_version(runtime, now, better):
    promote(runtime, better)
    rollback(runtime)
    with runtime.database.write() as session:
        session.delete(session.get_one(ModelVersion, better))
    with runtime.database.read() as session:
        told = list_deployments(session).items[1]
    assert (told.version, told.version_id) == ("better", None)
