"""`akin doctor` looks at every part itself, and says what is wrong with which."""

from __future__ import annotations

import sqlite3
import threading
from datetime import timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from redis import Redis
from sqlalchemy.exc import OperationalError

from backend import clock
from backend.agreement import Agreement, compare
from backend.data_folder import hold
from backend.diagnosis import people
from backend.diagnosis.comparing import agreement
from backend.diagnosis.examining import examine
from backend.errors import SetupError
from backend.gallery.opening import open_store
from backend.jobs.schemas import ReconcileRequest
from backend.settings import Settings
from tests import qdrant_standin, services
from tests.end_to_end.server import free_port


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "home").mkdir()
    return Settings(home=tmp_path / "home", port=free_port())


def findings(settings):
    return {finding.part: finding for finding in examine(settings)}


def not_here(*_: object) -> Agreement:
    raise AssertionError("there is nothing to compare in this process")


def test_a_new_data_folder_is_in_order(settings):
    found = findings(settings)
    assert [part for part, finding in found.items() if not finding.good] == []
    assert "none running" in found["server"].sentence
    assert "brought up to date at the next start" in found["data"].sentence


def test_a_gallery_is_told_with_how_it_is_laid_out(settings):
    wanted = settings.model_copy(update={"gallery_quantization": "binary"})
    store = open_store("edge", settings.home / "galleries", wanted.gallery_layout)
    store.create("g-1", 8)
    store.close()
    assert findings(wanted)["data"].sentence.endswith(
        "1 gallery with 0 points; g-1: one folder, vectors in memory, quantized to a bit a "
        "number, 0 in the search graph."
    )
    assert "the next start writes it anew" in findings(settings)["data"].sentence


def test_a_folder_that_a_server_holds_is_as_it_should_be(settings):
    with hold(settings.home):
        found = findings(settings)["data"]
    assert found.good
    assert "in use by process" in found.sentence


def test_a_broken_database_is_named(settings):
    (settings.home / "akin.sqlite3").write_text("not a database" * 100)
    found = findings(settings)["data"]
    assert not found.good
    assert "is damaged: stop Akin and restore it" in found.sentence


def test_a_database_that_fails_amid_a_check_ends_only_that(settings, monkeypatch):
    def fail(*_: object) -> str:
        raise OperationalError("SELECT secret", {}, sqlite3.OperationalError("disk I/O error"))

    monkeypatch.setattr(people, "accounts", fail)
    found = findings(settings)
    assert not found["accounts"].good
    assert "SELECT" not in found["accounts"].sentence
    assert found["backbone"].good


def test_a_mistake_of_ours_is_not_told_as_a_finding(settings, monkeypatch):
    monkeypatch.setattr(people, "accounts", not_here)
    with pytest.raises(AssertionError):
        findings(settings)


def test_an_unknown_backbone_is_named(settings):
    found = findings(settings.model_copy(update={"backbone": "ViT-B-33"}))["backbone"]
    assert not found.good
    assert "ViT-B-32" in found.sentence


def test_settings_that_cannot_work_are_named(settings):
    found = findings(settings.model_copy(update={"broker_url": "redis://127.0.0.1:1/0"}))
    assert "one process only" in found["settings"].sentence
    assert not found["queue"].good


# The server profile


@pytest.fixture
def served(settings, tmp_path):
    """Settings of a server profile in which nothing answers."""
    given = {
        "database_url": "postgresql://nobody@127.0.0.1:1/akin",
        "gallery_url": "http://127.0.0.1:1",
        "broker_url": "redis://127.0.0.1:1/0",
        "blob_url": (tmp_path / "blobs").as_uri(),
    }
    return settings.model_copy(update=given)


def test_every_service_that_does_not_answer_is_named_by_itself(served):
    found = findings(served)
    assert "cannot be reached: check AKIN_DATABASE_URL" in found["database"].sentence
    assert "does not answer" in found["gallery"].sentence
    assert "AKIN_GALLERY_URL" in found["gallery"].sentence
    assert "check AKIN_BROKER_URL" in found["queue"].sentence
    assert not any(found[part].good for part in ("database", "gallery", "queue"))
    assert found["blobs"].good
    assert "data" not in found


@pytest.mark.services
def test_a_database_that_is_not_migrated_is_told_what_to_run(served, scratch_postgres_url):
    found = findings(served.model_copy(update={"database_url": scratch_postgres_url}))
    assert "run `python -m backend.migrating`" in found["database"].sentence


@pytest.mark.services
def test_services_in_order(served, postgres_database):
    given = {"database_url": postgres_database.url, "gallery_url": qdrant_standin.shared_url()}
    found = findings(served.model_copy(update=given))
    assert found["database"].good
    assert found["gallery"].sentence.startswith("answers, ")


@pytest.mark.services
def test_a_redis_that_throws_messages_away_is_refused(served):
    with services.redis_url() as url, Redis.from_url(url) as server:
        server.config_set("maxmemory-policy", "allkeys-lru")
        found = findings(served.model_copy(update={"broker_url": url}))["queue"]
        server.config_set("maxmemory-policy", "noeviction")
    assert "maxmemory-policy allkeys-lru): set it to noeviction" in found.sentence


@pytest.mark.services
def test_a_queue_without_workers_is_told_which_to_start(served):
    with services.redis_url() as url:
        found = findings(served.model_copy(update={"broker_url": url}))["queue"]
    assert found.sentence == (
        "No worker takes the queue beat, embed, io, reembed, train: start one with "
        "`celery -A workers.server worker -P threads -Q beat,embed,io,reembed,train`."
    )


# What SQL, blobs and galleries say of each other


COUNTS = {"images": 1200, "points": 1199, "blobs": 1100}


def told(counts, *sentences, mended=False):
    return agreement(lambda: Agreement({**COUNTS, **counts}, sentences), mended=mended)


def test_nothing_out_of_line():
    found = told({"lost": 0})
    assert found.good
    assert found.sentence == (
        "SQL, blobs and galleries agree: 1,200 images, 1,199 points, 1,100 blobs."
    )


def test_something_out_of_line():
    found = told({"lost": 0, "rows_without_point": 3}, "3 images …")
    assert not found.good
    assert found.sentence.startswith("3 things are out of line: `akin doctor --repair` mends them")
    assert found.details == ("3 images …",)


def test_something_mended():
    found = told({"lost": 0, "rows_without_point": 3}, "3 images …", mended=True)
    assert found.good
    assert found.sentence.startswith("3 things were out of line and are mended (")


def test_lost_bytes_stay_a_failure():
    found = told({"lost": 2}, "…", mended=True)
    assert not found.good
    assert found.sentence.startswith("2 images have lost their stored bytes: import them again (")


def test_a_comparison_that_fails_is_told():
    def fail():
        raise SetupError("The blob store is away: mount it.")

    assert agreement(fail, mended=False).sentence == "The blob store is away: mount it."


def test_a_folder_in_use_whose_server_does_not_answer(settings):
    url = f"http://127.0.0.1:{free_port()}"
    with hold(settings.home), pytest.raises(SetupError, match=f"no server answers at {url}"):
        compare(settings, url, ReconcileRequest(mend=False), not_here, lambda *_: None)


def test_an_empty_folder_has_nothing_to_compare(settings):
    nothing = compare(settings, "http://127.0.0.1:1", ReconcileRequest(), not_here, lambda *_: None)
    assert nothing is None


@pytest.mark.services
def test_clocks_that_agree_and_clocks_that_do_not(served, postgres_database, monkeypatch):
    settings = served.model_copy(update={"database_url": postgres_database.url})
    assert "agree within" in findings(settings)["clock"].sentence
    ahead = clock.now() + timedelta(seconds=30)
    monkeypatch.setattr(clock, "now", lambda: ahead)
    found = findings(settings)["clock"]
    assert not found.good
    assert "seconds behind this machine's: let both be set by NTP" in found.sentence


def test_what_answers_at_the_ui_s_port_is_looked_at(settings):
    nobody = settings.model_copy(update={"ui_port": free_port()})
    assert "none running" in findings(nobody)["ui"].sentence
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        given = settings.model_copy(update={"ui_port": other.server_port})
        found = next(one for one in examine(given) if one.part == "ui")
        other.shutdown()
    assert not found.good
    assert "choose another port with AKIN_UI_PORT" in found.sentence


def test_no_password_is_in_what_the_doctor_says(served):
    urls = {
        "database_url": "postgresql://akin:hunter2@127.0.0.1:1/akin",
        "broker_url": "redis://:hunter2@127.0.0.1:1/0",
        "gallery_url": "http://akin:hunter2@127.0.0.1:1",
    }
    for finding in examine(served.model_copy(update=urls)):
        assert "hunter2" not in finding.sentence, finding.part
