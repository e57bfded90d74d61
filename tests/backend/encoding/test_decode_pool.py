"""Pictures decoded by child processes: the same pixels and sentences, and nothing else is lost."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from PIL import Image

from backend.encoding import decode_process
from backend.encoding.decode_pool import DecodePool
from backend.encoding.decoding import DecodeLimits, decode_image
from backend.encoding.preprocessing import Preprocessing
from backend.encoding.rendering import render_image
from backend.errors import AkinError, TooLarge, Unavailable, UnsupportedImage
from tests.backend.encoding import hostile
from tests.backend.encoding.hostile import noise, saved

ROOT = Path(__file__).parents[3]
SEE = Preprocessing(size=32)
MiB = 1024 * 1024
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    """Two children for those tests that leave them unharmed."""
    opened = DecodePool(2)
    yield opened
    opened.close()


@pytest.fixture
def make() -> Iterator[Callable[..., DecodePool]]:
    """Pools of a test's own, closed at its end."""
    made: list[DecodePool] = []

    def start(*args, **options) -> DecodePool:
        made.append(DecodePool(*args, **options))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def slow() -> bytes:
    """A picture that keeps its reader busy for minutes."""
    return hostile.many_scans(4000, 60_000)


def pictures() -> list[bytes]:
    """One of every kind that matters to a decoder."""
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [noise(40, 30, seed=n) for n in range(3)]
    deep = Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50)
    return [
        saved(noise(900, 700), "JPEG"),
        saved(noise(90, 70), "JPEG", exif=exif),
        saved(noise(60, 40, "CMYK"), "JPEG"),
        saved(noise(60, 40, "RGBA")),
        saved(noise(60, 40, "LA")),
        saved(noise(60, 40).quantize(16), "GIF", transparency=3),
        saved(deep),
        saved(noise(60, 40), "WEBP", lossless=True),
        saved(noise(60, 40), "TIFF", compression="tiff_lzw", tiffinfo={274: 6}),
        saved(noise(60, 40), "BMP"),
        *(
            saved(frames[0], form, save_all=True, append_images=frames[1:])
            for form in ("GIF", "WEBP", "PNG")
        ),
    ]


def sentence_of(call: Callable[[], object]) -> tuple[type[AkinError], str]:
    with pytest.raises(AkinError) as told:
        call()
    return type(told.value), told.value.sentence


def in_the_middle(pool: DecodePool, data: bytes) -> tuple[Future[NDArray[np.uint8]], int]:
    """A picture that a child is busy with, in a thread; the child is the only one there is."""
    thread = ThreadPoolExecutor(1)
    pool.warm_up()
    answer = thread.submit(pool.pixels, data, SEE, name="slow.jpg")
    thread.shutdown(wait=False)
    return answer, busy_child(pool, answer)


def busy_child(pool: DecodePool, answer: Future[NDArray[np.uint8]]) -> int:
    """The process id of the only child, once it has worked for a while."""
    before: dict[int, float] = {}
    while True:
        assert not answer.done()
        time.sleep(0.01)
        for pid in pool.children():
            with suppress(psutil.NoSuchProcess):
                spent = sum(psutil.Process(pid).cpu_times()[:2])
                if spent > before.setdefault(pid, spent) + 0.25:  # more than its start takes
                    return pid


def ended(pid: int) -> bool:
    """Within a few seconds; a zombie that nobody has waited for yet counts."""
    for _ in range(500):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def test_pixels_and_renditions_are_those_of_the_function_in_eight_threads(pool):
    def compare(data: bytes) -> bool:
        image = decode_image(data, draft=SEE.draft)
        np.testing.assert_array_equal(pool.pixels(data, SEE), SEE.pixels(image))
        return bool(pool.render(data) == render_image(data, DecodeLimits(), name="it"))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(compare, pictures() * 4))
    assert len(pool.children()) == 2


@pytest.mark.parametrize("kind", ["squarepad", "targetpad"])
def test_every_preprocessing_reaches_the_child(pool, kind):
    see = Preprocessing(kind=kind, size=24, parity=True, interpolation="bilinear")
    data = saved(noise(90, 40, "CMYK"), "TIFF")
    pixels = pool.pixels(data, see)
    np.testing.assert_array_equal(pixels, see.pixels(decode_image(data, draft=see.draft)))
    assert (pixels.shape, pixels.dtype) == ((3, 24, 24), np.uint8)
    pixels[0, 0, 0] = 1  # a caller may write to it


def test_facts_are_of_the_upright_picture(pool):
    exif = Image.Exif()
    exif[0x0112] = 6
    for form in ("JPEG", "PNG", "WEBP", "TIFF"):
        made = pool.render(saved(noise(61, 60), form, exif=exif))
        assert (made.form, made.width, made.height) == (form, 60, 61)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        hostile.huge_png(),
        saved(noise(40, 30), "JPEG")[:400],
        hostile.gif((65_535, 65_535), (1, 1)),
        saved(Image.new("RGB", (1500, 1))),
    ],
    ids=["empty", "text", "huge", "cut", "screen", "narrow"],
)
def test_refusals_are_those_of_the_function_word_for_word(pool, data):
    name = 'Bläschen "\n" 🙂/../a.png'
    expected = sentence_of(lambda: decode_image(data, name=name))
    assert name in expected[1]
    assert sentence_of(lambda: pool.pixels(data, SEE, name=name)) == expected
    assert sentence_of(lambda: pool.render(data, name=name)) == expected


def test_too_many_bytes_are_not_even_sent(make):
    strict = make(1, DecodeLimits(max_bytes=10, max_pixels=50))
    data = saved(Image.new("RGB", (8, 8)))
    with pytest.raises(TooLarge, match=rf"{len(data)} bytes in a\.png, and 10 are allowed"):
        strict.pixels(data, SEE, name="a.png")
    assert strict.children() == []


def test_the_limits_of_the_pool_are_those_of_its_children(make):
    strict = make(1, DecodeLimits(max_pixels=50, formats=("PNG",)))
    with pytest.raises(TooLarge, match=r"in a\.png has 8 x 8 pixels, and 50 are allowed"):
        strict.render(saved(Image.new("RGB", (8, 8))), name="a.png")
    with pytest.raises(UnsupportedImage, match="send one of PNG"):
        strict.render(saved(Image.new("RGB", (8, 8)), "JPEG"))


def test_a_picture_of_many_megabytes_passes_the_pipe(pool):
    data = saved(noise(1500, 1200), compress_level=0)
    assert len(data) > 5_000_000
    np.testing.assert_array_equal(pool.pixels(data, SEE), SEE.pixels(decode_image(data)))


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


@pytest.mark.parametrize("crash", [signal.SIGSEGV, signal.SIGABRT, signal.SIGPROF])
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


def test_closing_ends_all_children_and_may_be_repeated(make, slow):
    pool = make(2, seconds=60)
    answer, _ = in_the_middle(pool, slow)
    pool.pixels(saved(noise(9, 9)), SEE)
    pids = pool.children()
    assert len(pids) == 2
    pool.close()
    pool.close()
    with pytest.raises(Unavailable, match="picture decoder is shut down: start Akin again"):
        answer.result()
    assert all(ended(pid) for pid in pids)
    for call in (pool.warm_up, lambda: pool.pixels(b"any", SEE), lambda: pool.render(b"any")):
        with pytest.raises(Unavailable, match="picture decoder is shut down"):
            call()


def test_who_waits_when_the_pool_is_closed_is_told(make, slow):
    pool = make(1, seconds=60)
    in_the_middle(pool, slow)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(pool.pixels, saved(noise(9, 9)), SEE)
        time.sleep(0.05)
        pool.close()
        with pytest.raises(Unavailable, match="shut down"):
            waiting.result()


def test_who_waits_too_long_is_turned_away(make, slow):
    pool = make(1, seconds=60, patience=0.2)
    in_the_middle(pool, slow)
    for _ in range(2):
        with pytest.raises(Unavailable, match="too many pictures to decode at the moment: try ag"):
            pool.pixels(saved(noise(9, 9)), SEE)


LYING = {
    "nothing": "sys.exit()",
    "no-json": "send(b'hello', b'')",
    "no-object": "send(b'[1]', b'')",
    "deep": "send(b'[' * 100_000, b'')",
    "long-header": "out(HEAD.pack(2**31, 0))",
    "long-payload": "out(HEAD.pack(2, 2**62) + b'{}')",
    "too-little": "send(b'{}', bytes(5))",
    "too-much": "send(b'{}', bytes(3 * 32 * 32) + b'more')",
    "more-behind": "out(HEAD.pack(2, 3072) + b'{}' + bytes(3080))",
    "unknown-refusal": """send(b'{"refused": "SystemExit", "sentence": "x"}', b'')""",
    "odd-refusal": """send(b'{"refused": ["TooLarge"], "sentence": {}}', b'')""",
    "large-again": """send(b'{"large": true}', b'')""",
    "failed": """send(b'{"failed": {}}', b'')""",
}
LIAR = """#!{python}
import os, sys
sys.path.insert(0, {root!r})
from backend.encoding.decode_frames import HEAD
def out(data):
    while data:
        data = data[os.write(1, data):]
def send(header, payload):
    out(HEAD.pack(len(header), len(payload)) + header + payload)
send(b'{{}}', b'')
while os.read(0, 1 << 20):
    {lie}
"""


@pytest.fixture
def liars(make, monkeypatch, tmp_path) -> Callable[[str], DecodePool]:
    """A pool whose child does what it is told here instead of decoding."""

    def start(kind: str) -> DecodePool:
        liar = tmp_path / "liar"
        lie = LYING.get(kind, "send(b'{}', bytes(3 * 32 * 32))")
        liar.write_text(LIAR.format(python=sys.executable, root=str(ROOT), lie=lie))
        liar.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(liar))
        pool: DecodePool = make(1)
        return pool

    return start


@pytest.mark.parametrize("kind", LYING)
def test_a_child_that_was_taken_over_is_not_believed(liars, kind):
    pool = liars(kind)
    pool.warm_up()
    before = pool.children()
    with pytest.raises(UnsupportedImage, match=r"in a\.png made the decoder stop: save it anew"):
        pool.pixels(saved(noise(9, 9)), SEE, name="a.png")
    if kind != "large-again":  # sense as such: only its picture is lost
        assert not set(before) & set(pool.children())


def test_the_stand_in_for_a_child_is_believed_when_it_makes_sense(liars):
    pool = liars("black")
    assert pool.pixels(saved(noise(9, 9)), SEE).max() == 0
    with pytest.raises(UnsupportedImage, match="made the decoder stop"):
        pool.render(saved(noise(9, 9)))


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


@pytest.mark.parametrize("kind", hostile.polyglots())
def test_a_file_that_is_also_something_else_is_read_as_a_picture_or_refused(pool, kind):
    data = hostile.polyglots()[kind]
    assert hostile.FOREIGN in data or kind == "jpeg-and-zip"
    if kind in {"pdf-and-jpeg", "html-and-gif"}:
        with pytest.raises(UnsupportedImage, match="no picture that can be read in it"):
            pool.render(data, name="it")
        return
    for rendition in pool.render(data).renditions.values():
        shown = Image.open(io.BytesIO(rendition), formats=["WEBP"])
        assert shown.n_frames == 1  # type: ignore[attr-defined]
        assert not shown.getexif()
        for foreign in (b"script", b"alert", b"PK\3\4", b"index.html", b"XMP "):
            assert foreign not in rendition
        assert len(rendition) == 8 + int.from_bytes(rendition[4:8], "little")  # nothing behind it


@pytest.mark.parametrize(("name", "form"), [("a.jpg", "PNG"), ("a.png", "WEBP"), ("a.txt", "GIF")])
def test_the_name_does_not_say_what_a_picture_is(pool, name, form):
    assert pool.render(saved(noise(20, 20), form), name=name).form == form
    with pytest.raises(UnsupportedImage, match=r"no picture that can be read in a\.png: send one"):
        pool.render(b"sku,title\n1,Tee\n", name="a.png")


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
