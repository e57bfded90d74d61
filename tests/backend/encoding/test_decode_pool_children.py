"""The children of a pool: how they start, hang, crash, die, run out of room, and end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from backend.encoding import decode_process
from backend.encoding.decoding import decode_image
from backend.errors import Unavailable, UnsupportedImage
from tests.backend.encoding import hostile
from tests.backend.encoding.hostile import noise, saved
from tests.backend.encoding.pools import (
    ROOT,
    SEE,
    busy_child,
    ended,
    in_the_middle,
    make,
    pool,
    slow,
)

__all__ = ["make", "pool", "slow"]

MiB = 1024 * 1024
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_a_picture_that_takes_too_long_is_told_and_its_child_replaced(make, slow):
    pool = make(1, seconds=2.5)
    pool.warm_up()
    before = pool.children()
    with pytest.raises(
        UnsupportedImage,
        match=r"^The picture in slow\.jpg could not be decoded within 2\.5 seconds: "
        r"save it anew as JPEG or PNG\.$",
    ):
        pool.pixels(slow, SEE, name="slow.jpg")
    assert pool.render(saved(noise(9, 9))).form == "PNG"
    assert len(pool.children()) == 1
    assert pool.children() != before


@linux
@pytest.mark.parametrize("size", [20, 1200], ids=["answer", "request"])
def test_a_child_that_hangs_is_told_in_time(make, size):
    """With the small picture it is the answer that does not come; the large one fills the pipe."""
    pool = make(1, seconds=1.5)
    pool.warm_up()
    (pid,) = pool.children()
    os.kill(pid, signal.SIGSTOP)
    data = saved(noise(size, size), compress_level=0)
    with pytest.raises(UnsupportedImage, match=r"in it could not be decoded within 1\.5 seconds"):
        pool.pixels(data, SEE, name="it")
    assert ended(pid)
    assert pool.pixels(saved(noise(9, 9)), SEE).shape == (3, 32, 32)


@pytest.mark.parametrize(
    "crash",
    [
        signal.SIGSEGV,
        *(pytest.param(one, marks=pytest.mark.slow) for one in (signal.SIGABRT, signal.SIGPROF)),
    ],
)
def test_a_child_that_crashes_takes_its_picture_only(make, slow, crash):
    pool = make(2, seconds=60)
    answer, pid = in_the_middle(pool, slow)
    good = saved(noise(700, 500))
    with ThreadPoolExecutor(4) as threads:
        others = [threads.submit(pool.pixels, good, SEE) for _ in range(40)]
        os.kill(pid, crash)
        with pytest.raises(
            UnsupportedImage,
            match=r"^The picture in slow\.jpg made the decoder stop: "
            r"save it anew as JPEG or PNG\.$",
        ):
            answer.result()
        for other in others:
            np.testing.assert_array_equal(other.result(), SEE.pixels(decode_image(good)))
    assert pid not in pool.children()


@pytest.mark.long
def test_a_picture_survives_that_its_child_is_killed_from_outside(make):
    pool = make(1, seconds=60)
    data = hostile.many_scans(3000, 100)
    answer, pid = in_the_middle(pool, data)
    os.kill(pid, signal.SIGKILL)
    expected = SEE.pixels(decode_image(data, draft=SEE.draft))
    np.testing.assert_array_equal(answer.result(), expected)


def test_a_picture_whose_child_is_killed_twice_is_told(make, slow):
    pool = make(1, seconds=60)
    answer, pid = in_the_middle(pool, slow)
    os.kill(pid, signal.SIGKILL)
    assert ended(pid)
    os.kill(busy_child(pool, answer), signal.SIGKILL)
    with pytest.raises(UnsupportedImage, match=r"in slow\.jpg made the decoder stop: save it anew"):
        answer.result()


def test_children_that_died_between_two_pictures_are_replaced_without_a_word(make):
    pool = make(2)
    data = saved(noise(400, 400))
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: pool.pixels(data, SEE), range(20)))
    for _ in range(3):
        for pid in pool.children():
            os.kill(pid, signal.SIGKILL)
        assert pool.render(data).width == 400


def test_a_picture_that_needs_more_memory_than_allowed_is_told(make):
    pool = make(1, memory=110 * MiB, large_memory=160 * MiB)
    sentence = "needs more memory to decode than is allowed: save it anew as JPEG or PNG"
    for side in (3900, 6000):  # the second is large, and gets the larger share
        with pytest.raises(UnsupportedImage, match=rf"in big\.png {sentence}"):
            pool.render(
                hostile.png(side, side, hostile.zeros(side * (3 * side + 1)), colours=2),
                name="big.png",
            )
    assert pool.render(saved(noise(300, 300))).form == "PNG"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "form", "options"),
    [
        ("RGBA", "WEBP", {"lossless": True, "method": 0, "quality": 0}),
        ("RGB", "WEBP", {"method": 0}),
        ("RGBA", "PNG", {"compress_level": 1}),
        ("I;16", "PNG", {"compress_level": 1}),
        ("CMYK", "JPEG", {"progressive": True, "subsampling": 0}),
        ("LAB", "TIFF", {"compression": "tiff_adobe_deflate"}),
        ("F", "TIFF", {"compression": "tiff_adobe_deflate"}),
    ],
)
def test_the_largest_picture_that_is_allowed_has_room(make, mode, form, options):
    """A hundred million pixels, turned by their orientation where that takes more memory."""
    image = Image.new(mode, (10_000, 10_000), 1)
    if form != "TIFF":
        options = {**options, "exif": Image.Exif()}
        options["exif"][0x0112] = 6
    data = saved(image, form, **options)
    del image
    pool = make(1, seconds=120)
    assert pool.pixels(data, SEE).shape == (3, 32, 32)
    made = pool.render(data)
    assert (made.form, made.width, made.height) == (form, 10_000, 10_000)


@pytest.mark.long
def test_a_large_picture_gets_room_that_others_do_not_get(make):
    pool = make(2, memory=110 * MiB)
    data = hostile.png(6000, 6000, hostile.zeros(6000 * 6001))
    with ThreadPoolExecutor(3) as threads:
        made = list(threads.map(lambda _: pool.render(data), range(3)))
    assert {(one.width, one.height) for one in made} == {(6000, 6000)}


@linux
def test_a_child_has_given_up_what_decoding_does_not_need(pool):
    pool.pixels(saved(noise(9, 9)), SEE)
    for pid in pool.children():
        limits = Path(f"/proc/{pid}/limits").read_text()
        soft = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()}
        assert soft["Max core file size"] == "0"
        assert soft["Max file size"] == "0"
        assert int(soft["Max open files"]) <= 16
        assert int(soft["Max address space"]) == 1024 * MiB
        assert "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text()
        environment = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        assert not [entry for entry in environment if entry.startswith(("AKIN_", "PYTEST_"))]
        files = list(Path(f"/proc/{pid}/fd").iterdir())
        assert len(files) <= 4  # its pipes, and nothing of this process


@linux
def test_children_of_imports_give_way(make):
    pool = make(1, niceness=5)
    pool.warm_up()
    (pid,) = pool.children()
    assert psutil.Process(pid).nice() >= 5


@linux
@pytest.mark.parametrize("busy", [False, True])
def test_children_end_with_their_parent_however_it_ends(busy):
    code = """if True:
        import sys, threading
        from backend.encoding.decode_pool import DecodePool
        from backend.encoding.preprocessing import Preprocessing
        from tests.backend.encoding.hostile import many_scans
        pool = DecodePool(1, seconds=60)
        pool.warm_up()
        if {busy}:
            data = many_scans(4000, 60_000)
            threading.Thread(target=pool.pixels, args=(data, Preprocessing()), daemon=True).start()
        print(*pool.children(), flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", code.format(busy=busy)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    assert ended(pid)


def test_a_child_outlives_the_thread_that_needed_it_first(make):
    pool = make(1)
    for _ in range(2):
        with ThreadPoolExecutor(1) as thread:
            thread.submit(pool.pixels, saved(noise(9, 9)), SEE).result()
        first = pool.children()
        assert len(first) == 1
    assert pool.children() == first


def test_a_child_starts_without_what_it_does_not_need():
    heavy = ("torch", "numpy", "sqlalchemy", "fsspec", "pydantic", "fastapi", "celery")
    code = f"import sys, backend.encoding.decode_child; sys.exit(len(sys.modules.keys() & {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_children_that_do_not_start_are_told(make, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    for _ in range(2):
        with pytest.raises(Unavailable, match="the process that does it does not start: free"):
            make(1).pixels(saved(noise(9, 9)), SEE)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-such-file"))
    with pytest.raises(Unavailable, match="the process that does it does not start: free"):
        make(1).pixels(saved(noise(9, 9)), SEE)


def test_a_child_that_is_silent_at_its_start_is_given_up(make, monkeypatch, tmp_path):
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(silent))
    monkeypatch.setattr(decode_process, "START_SECONDS", 0.2)
    with pytest.raises(Unavailable, match="does not start"):
        make(1).warm_up()


@pytest.mark.slow
def test_many_pictures_do_not_make_a_child_grow(make):
    pool = make(1)
    data = saved(noise(26, 18).resize((2600, 1800)), "JPEG")
    for _ in range(5):
        pool.render(data)
    (pid,) = pool.children()
    after_five = most_memory(pid)
    for _ in range(20):
        pool.render(data)
    assert pool.children() == [pid]
    assert most_memory(pid) < after_five + 16 * MiB


def most_memory(pid: int) -> int:
    """Bytes the process ever had: what it has now depends on what the system took back from it."""
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return 1024 * int(line)


def test_a_child_that_grew_is_replaced(make, monkeypatch):
    monkeypatch.setattr("backend.encoding.decode_pool.GROWN", 1 * MiB)
    pool = make(1)
    for _ in range(2):
        assert pool.render(saved(noise(20, 20))).width == 20
        assert pool.children() == []
