"""Ways to spoil a file, each a function of bytes and of what hypothesis draws."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

LONGEST = 400_000
EXTREMES = [
    number & (256**width - 1)
    for width in (1, 2, 4, 8)
    for number in (0, 1, -1, 1 << (8 * width - 1), (1 << (8 * width - 1)) - 1, -(2**16))
]
TEXT = (".csv", ".tsv", ".jsonl", ".ndjson")
PNG = b"\x89PNG\r\n\x1a\n"


def flip(data: bytearray, draw: DrawFn) -> None:
    """Single bits."""
    for _ in range(draw(st.integers(1, 12))):
        place = draw(at(data))
        data[place] ^= 1 << draw(st.integers(0, 7))


def truncate(data: bytearray, draw: DrawFn) -> None:
    del data[draw(at(data)) :]


def remove(data: bytearray, draw: DrawFn) -> None:
    start = draw(at(data))
    del data[start : start + draw(st.integers(1, 200))]


def repeat(data: bytearray, draw: DrawFn) -> None:
    """A piece, many times."""
    start, size = draw(at(data)), draw(st.integers(1, 300))
    piece = data[start : start + size]
    data[start:start] = piece * draw(st.integers(1, max(1, min(500, LONGEST // max(size, 1)))))


def insert(data: bytearray, draw: DrawFn) -> None:
    start = draw(at(data))
    data[start:start] = draw(st.binary(min_size=1, max_size=64))


def overwrite(data: bytearray, draw: DrawFn) -> None:
    start, new = draw(at(data)), draw(st.binary(min_size=1, max_size=32))
    data[start : start + len(new)] = new


def header(data: bytearray, draw: DrawFn) -> None:
    """What the first readers look at."""
    place = draw(st.integers(0, min(len(data), 64) - 1))
    data[place] = draw(st.integers(0, 255))


def extreme(data: bytearray, draw: DrawFn) -> None:
    """A length, count, size or offset beyond all measure, wherever one may be."""
    width = draw(st.sampled_from((1, 2, 4, 8)))
    order = draw(st.sampled_from(("little", "big")))
    near_the_start = draw(st.booleans())
    end = min(len(data), 128) if near_the_start else len(data)
    place = draw(st.integers(0, end - 1))
    number = draw(st.sampled_from(EXTREMES)) & (256**width - 1)
    data[place : place + width] = number.to_bytes(width, order)


def swap(data: bytearray, draw: DrawFn) -> None:
    one, other, size = draw(at(data)), draw(at(data)), draw(st.integers(1, 100))
    first, second = data[one : one + size], data[other : other + size]
    data[one : one + size], data[other : other + size] = second, first


WAYS = (flip, truncate, remove, repeat, insert, overwrite, header, extreme, extreme, swap)


def at(data: Sequence[int]) -> SearchStrategy[int]:
    return st.integers(0, max(len(data) - 1, 0))


@st.composite
def mutants(draw: DrawFn, files: dict[str, bytes]) -> tuple[str, bytes]:
    """One of the files, or two spliced, spoiled in one to six ways; with the name of the first.

    Half of them are put right where a reader would give up at once: checksums, broken characters.
    """
    name = draw(st.sampled_from(sorted(files)))
    data = bytearray(files[name])
    if draw(st.integers(0, 5)) == 0:
        other = files[draw(st.sampled_from(sorted(files)))]
        data[draw(at(data)) :] = other[draw(at(other)) :]
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3, 6)))):
        if not data:
            break
        draw(st.sampled_from(WAYS))(data, draw)
        del data[LONGEST:]
    if not draw(st.booleans()):
        return name, bytes(data)
    if data.startswith(PNG):
        return name, bytes(mended_png(data))
    is_text = name.endswith(TEXT)
    return name, data.decode(errors="replace").encode() if is_text else bytes(data)


def mended_png(data: bytearray) -> bytearray:
    """With the checksum of each chunk made right, so that a reader goes on to what is in it."""
    place = len(PNG)
    while place + 12 <= len(data):
        (size,) = struct.unpack_from(">L", data, place)
        end = place + 8 + size
        if end + 4 > len(data):
            break
        struct.pack_into(">L", data, end, zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return data
