"""Readiness names the part that is away, does not wait long for it, and costs the parts little."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from backend.errors import Unavailable
from backend.readiness import Readiness, checks_of
from backend.settings import Settings


def away() -> None:
    raise Unavailable("It is being restarted: wait.")


def failures(readiness: Readiness) -> dict[str, str]:
    return asyncio.run(readiness.failures())


def test_all_is_well():
    readiness = Readiness({"database": lambda: None, "broker": lambda: None})
    assert failures(readiness) == {}
    asyncio.run(Readiness({"database": lambda: None}).check())


def test_each_part_that_is_away_is_named_with_its_reason():
    def broken() -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    readiness = Readiness({"database": lambda: None, "gallery": away, "broker": broken})
    found = failures(readiness)
    assert found["gallery"] == "It is being restarted: wait."
    assert set(found) == {"gallery", "broker"}
    with pytest.raises(Unavailable, match="gallery: It is being restarted"):
        asyncio.run(Readiness({"gallery": away}).check())


def test_a_part_that_hangs_is_not_waited_for_and_keeps_one_thread(monkeypatch):
    monkeypatch.setattr("backend.readiness.KEPT_SECONDS", 0.0)
    release, asked = threading.Event(), []

    def hanging() -> None:
        asked.append(1)
        release.wait(30)

    readiness = Readiness({"database": hanging, "broker": lambda: None}, seconds=0.05)
    begun = time.monotonic()
    for _ in range(3):
        assert failures(readiness) == {"database": "It did not answer within 0.05 seconds."}
    assert time.monotonic() - begun < 5
    assert len(asked) == 1
    release.set()
    while failures(readiness):
        time.sleep(0.01)


HANGING = """
import asyncio, time
from backend.readiness import Readiness
readiness = Readiness({"database": lambda: time.sleep(300)}, seconds=0.01)
print(asyncio.run(readiness.failures()))
"""


def test_the_end_of_a_process_does_not_wait_for_a_part_that_hangs():
    command = [sys.executable, "-c", HANGING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "{'database': 'It did not answer within 0.01 seconds.'}\n"
    assert done.stderr == ""


def test_a_mistake_of_ours_in_a_check_is_raised():
    def mistaken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failures(Readiness({"database": mistaken}))


def test_many_probes_ask_a_part_once():
    asked: list[int] = []
    readiness = Readiness({"database": lambda: asked.append(1)})

    async def probe_often() -> None:
        await asyncio.gather(*(readiness.check() for _ in range(50)))

    asyncio.run(probe_often())
    assert len(asked) == 1


def test_the_broker_is_asked_where_it_is_a_service_of_its_own(runtime, tmp_path):
    assert set(checks_of(runtime)) == {"database", "migrations", "gallery"}
    runtime.settings = Settings(home=tmp_path, broker_url="redis://127.0.0.1:1/0")
    assert "broker" in checks_of(runtime)
    assert failures(Readiness(checks_of(runtime))) == {}
