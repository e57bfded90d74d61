"""A child of the pool that was taken over by a picture: what it says is not believed."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from backend.encoding.decode_pool import DecodePool
from backend.errors import UnsupportedImage
from tests.backend.encoding.hostile import noise, saved
from tests.backend.encoding.pools import ROOT, SEE, make

__all__ = ["make"]

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
