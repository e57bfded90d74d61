"""Several API processes: each has loaded a version before it is deployed, and none that is dead or
slow holds a promotion up. The processes here are servings and voices over one database."""

from __future__ import annotations

import errno
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from backend.errors import InvalidInput, Unavailable
from backend.outages import NO_ANSWER, READ_ONLY
from backend.registry import replicas
from backend.registry.deployments import active
from backend.registry.replicas import LIVE_SECONDS, preload
from backend.registry.tables import Replica
from backend.search import replica as module
from backend.search.replica import ReplicaVoice
from backend.search.serving import Serving
from tests.backend.search.shop import Shop, picture
from tests.backend.search.test_serving import version, within


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    shop.add("TEE-red", picture("red"))
    return shop


@pytest.fixture
def two(stocked: Shop, monkeypatch) -> Iterator[list[ReplicaVoice]]:
    """Two API processes that live."""
    monkeypatch.setattr(module, "SAY_SECONDS", 0.05)
    voices = [ReplicaVoice(stocked.runtime, Serving(stocked.runtime, stocked.active)) for _ in "12"]
    for voice in voices:
        voice.say()
        voice.start()
    yield voices
    for voice in voices:
        voice.close()
        voice._serving.close()


@pytest.fixture
def wanted(stocked: Shop, tmp_path) -> tuple[str, str]:
    return version(stocked, tmp_path / "model", "combiner"), stocked.active.gallery_id


def rows(shop: Shop) -> int:
    with shop.runtime.database.read() as session:
        return session.scalar(select(func.count()).select_from(Replica)) or 0


def loaded_by(shop: Shop, wanted: tuple[str, str]) -> int:
    """How many replicas say that they have it in memory."""
    with shop.runtime.database.read() as session:
        return sum(list(wanted) in one.loaded for one in session.scalars(select(Replica)))


def refuse(_: object) -> None:
    raise InvalidInput("Its weights do not fit.")


def dead(shop: Shop) -> None:
    """A replica that said its last word long ago."""
    with shop.runtime.database.write() as session:
        replicas.say(session, "gone", "gone:1", [], None)
        session.get_one(Replica, "gone").seen_at -= timedelta(seconds=LIVE_SECONDS + 1)


def test_every_replica_has_loaded_it_before_the_switch(stocked, two, wanted):
    assert all(wanted not in voice._serving.loaded() for voice in two)
    assert preload(stocked.runtime.database, wanted, 30) == []
    assert all(wanted in voice._serving.loaded() for voice in two)
    with stocked.runtime.database.read() as session:
        assert active(session).version_id != wanted[0], "nothing is deployed by loading it"
    assert all(voice._serving.current.active.version_id != wanted[0] for voice in two)


def test_a_dead_one_is_not_waited_for(stocked, two, wanted):
    dead(stocked)
    begun = time.monotonic()
    assert preload(stocked.runtime.database, wanted, 60) == []
    assert time.monotonic() - begun < 30


def test_one_that_dies_while_it_is_waited_for_is_let_go(stocked, wanted, monkeypatch):
    monkeypatch.setattr(replicas, "LIVE_SECONDS", 0.5)
    with stocked.runtime.database.write() as session:
        replicas.say(session, "silent", "silent:1", [], None)
    begun = time.monotonic()
    assert preload(stocked.runtime.database, wanted, 60) == []
    assert 0.2 < time.monotonic() - begun < 30


def test_a_slow_one_is_waited_for_no_longer_than_said(stocked, two, wanted, monkeypatch):
    release = threading.Event()
    slow = two[1]
    monkeypatch.setattr(slow._serving, "prepare", lambda _: release.wait(30))
    assert preload(stocked.runtime.database, wanted, 0.5) == [slow.name]
    release.set()


def test_what_is_done_meanwhile_takes_of_the_same_time(stocked, wanted, monkeypatch):
    """A client has one minute, for what is loaded here and for what others load."""
    with stocked.runtime.database.write() as session:
        replicas.say(session, "silent", "silent:1", [], None)
    moment = [100.0]
    monkeypatch.setattr("backend.clock.monotonic", lambda: moment[0])

    def load_slowly() -> None:
        with stocked.runtime.database.read() as session:
            asked = session.get_one(Replica, "silent").asked_version
        assert asked == wanted[0], "the others load it by now"
        moment[0] += 46

    assert preload(stocked.runtime.database, wanted, meanwhile=load_slowly) == ["silent:1"]


def test_it_goes_on_saying_that_it_lives_while_it_loads(stocked, two, wanted, monkeypatch):
    release = threading.Event()
    for voice in two:
        monkeypatch.setattr(voice._serving, "prepare", lambda _: release.wait(30))
    monkeypatch.setattr(replicas, "LIVE_SECONDS", 1.0)
    late = preload(stocked.runtime.database, wanted, 2.5)
    release.set()
    assert len(late) == 2


def test_one_that_cannot_load_it_stops_the_promotion_with_its_reason(
    stocked, two, wanted, monkeypatch
):
    monkeypatch.setattr(two[1]._serving, "prepare", refuse)
    with pytest.raises(Unavailable, match=r"so nothing was changed: Its weights do not fit\."):
        preload(stocked.runtime.database, wanted, 30)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OperationalError("SELECT secret", {}, sqlite3.OperationalError("at db:5432")), NO_ANSWER),
        (PermissionError(errno.EACCES, "Permission denied", "/srv/akin/models"), READ_ONLY),
        (RuntimeError("SELECT secret"), "it failed for a reason that its log tells."),
    ],
)
def test_what_fails_below_is_told_without_its_own_words(
    stocked, two, wanted, monkeypatch, error, told
):
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(two[1]._serving, "prepare", fail)
    with pytest.raises(Unavailable) as refused:
        preload(stocked.runtime.database, wanted, 30)
    assert refused.value.sentence.endswith(f"so nothing was changed: {told}")


def test_who_failed_once_is_asked_again(stocked, two, wanted, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(two[1]._serving, "prepare", refuse)
        with pytest.raises(Unavailable):
            preload(stocked.runtime.database, wanted, 30)
    assert preload(stocked.runtime.database, wanted, 30) == []


def test_what_was_let_go_since_it_was_loaded_is_loaded_again(stocked, two, wanted):
    assert preload(stocked.runtime.database, wanted, 30) == []
    for voice in two:
        voice._serving._served = voice._serving._served[-1:]
    assert within(30, lambda: loaded_by(stocked, wanted) == 0)
    assert preload(stocked.runtime.database, wanted, 30) == []


def test_a_failure_is_told_of_what_is_asked_only(stocked):
    failed, asked = ("version-b", "gallery"), ("version-c", "gallery")
    with stocked.runtime.database.write() as session:
        replicas.say(session, "one", "one:1", [])
        replicas._ask(session, failed)
        replicas._ask(session, asked)
        assert replicas.say(session, "one", "one:1", [], (failed, "It does not fit.")) == asked
        assert session.get_one(Replica, "one").error is None
        assert replicas.say(session, "one", "one:1", [], (asked, "Nor does it.")) is None
        assert session.get_one(Replica, "one").error == "Nor does it."


def test_one_that_starts_while_others_load_is_asked_too(stocked, wanted):
    """A rolling restart must not cost each promotion its whole patience."""
    database = stocked.runtime.database

    def says(name: str, *loaded: tuple[str, str]) -> tuple[str, str] | None:
        with database.write() as session:
            return replicas.say(session, name, name, loaded)

    says("old")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(preload, database, wanted, 30)
        assert within(30, lambda: says("old") == wanted)
        assert within(30, lambda: says("new") == wanted)
        says("old", wanted)
        says("new", wanted)
        assert waiting.result() == []


def test_who_leaves_is_forgotten_and_so_is_who_died_long_ago(stocked, two, clock):
    assert rows(stocked) == 2
    two[0].close()
    assert rows(stocked) == 1
    clock.advance(2 * 24 * 3600)
    with stocked.runtime.database.write() as session:
        replicas.say(session, "new", "new:1", [], None)
        names = set(session.scalars(select(Replica.name)))
    assert "new:1" in names
    assert rows(stocked) <= 2


def test_alone_there_is_nobody_to_wait_for(stocked, wanted):
    assert preload(stocked.runtime.database, wanted, 30) == []
