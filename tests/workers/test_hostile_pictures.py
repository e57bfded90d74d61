"""Hostile pictures in an import and in a gallery: one line each, and the rest goes on."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Iterator
from threading import Semaphore

import psutil
import pytest

from backend.encoding.decode_pool import DecodePool
from backend.encoding.rendering import Rendered
from backend.runtime import Runtime
from tests.backend.encoding import hostile
from tests.backend.encoding.hostile import noise, saved
from tests.workers.workshop import (
    activate,
    embeddings,
    import_files,
    photos,
    products,
    reasons,
    run_embeds,
)


@pytest.fixture
def decoder(runtime: Runtime) -> Iterator[DecodePool]:
    """Two children of the test's own, with little time for a picture."""
    pool = runtime.decoder = DecodePool(2, runtime.limits, seconds=4)
    yield pool
    pool.close()


def test_a_hostile_picture_is_one_refused_line_of_its_import(
    runtime: Runtime, decoder: DecodePool
) -> None:
    bad = {
        "slow.jpg": hostile.many_scans(4000, 60_000),
        "huge.png": hostile.huge_png(),
        "text.png": hostile.text_bomb(b"zTXt"),
        "page.jpg": b"<html>",
        "nothing.png": b"",
    }
    job = import_files(runtime, {**photos(12), **bad})
    assert (job.state, job.done, job.failed) == ("done", 17, 5)
    told = reasons(runtime, job)
    assert told.keys() == bad.keys()
    assert told["slow.jpg"] == (
        "The picture in slow.jpg could not be decoded within 4 seconds: "
        "save it anew as JPEG or PNG."
    )
    assert len(products(runtime)) == 12


@pytest.mark.long
def test_children_that_are_killed_during_an_import_cost_it_nothing(
    runtime: Runtime, decoder: DecodePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{n}.jpg": saved(noise(400, 400, seed=n), "JPEG") for n in range(60)}
    rendered, done = Semaphore(0), threading.Event()
    killed: list[int] = []
    render = decoder.render

    def counted(data: bytes, *, name: str) -> Rendered:
        made = render(data, name=name)
        rendered.release()
        return made

    def kill() -> None:
        """The oldest child, after some pictures more: no picture is to lose two children."""
        while len(killed) < 3 and not done.is_set():
            if all(rendered.acquire(timeout=20) for _ in range(5)):
                killed.append(min(decoder.children(), key=started))
                os.kill(killed[-1], signal.SIGKILL)

    monkeypatch.setattr(decoder, "render", counted)
    killer = threading.Thread(target=kill)
    killer.start()
    job = import_files(runtime, files)
    done.set()
    killer.join()
    assert (job.state, job.failed) == ("done", 0)
    assert len(products(runtime)) == 60
    assert len(killed) == 3


def started(pid: int) -> float:
    """When; one that has just ended is the youngest."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return math.inf


def test_a_decoder_that_is_shut_down_refuses_no_picture(
    runtime: Runtime, decoder: DecodePool
) -> None:
    """The job is tried again instead: nothing is known of the pictures."""
    decoder.close()
    job = import_files(runtime, photos(3))
    assert (job.state, job.done) == ("running", 0)  # until its lease runs out
    assert "picture decoder is shut down" in str(job.error)
    assert reasons(runtime, job) == {}


def test_a_stored_picture_that_cannot_be_decoded_any_more_is_one_line(
    runtime: Runtime, decoder: DecodePool
) -> None:
    activate(runtime)
    import_files(runtime, photos(4))
    sha256 = products(runtime)["2"].images[0].sha256
    path = next(runtime.settings.home.rglob(f"originals/*/{sha256}"))
    path.write_bytes(path.read_bytes()[:60])
    (job,) = run_embeds(runtime)
    assert (job.state, job.done, job.failed) == ("done", 4, 1)
    errors = [error for _, error in embeddings(runtime).values() if error]
    assert errors == [
        "The picture in the image of 2 is damaged or cut short: send it again from the original."
    ]
