"""Zips as an attacker writes them, byte by byte where no program would."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

STORED, DEFLATED = 0, 8


@dataclass(frozen=True)
class Entry:
    """A member: what its own header and the directory say of it, and where it begins."""

    name: str
    packed: bytes
    size: int
    crc: int
    method: int = STORED
    offset: int | None = None
    """In the directory; where it really is, unless given."""
    listed_size: int | None = None
    """What the directory says; the truth, unless given."""


def written(entries: Iterable[Entry], prefix: bytes = b"") -> bytes:
    """A zip with these members."""
    body, directory, count = bytearray(prefix), bytearray(), 0
    for entry in entries:
        start = len(body) - len(prefix) if entry.offset is None else entry.offset
        if entry.offset is None:
            body += local_header(entry) + entry.packed
        directory += listed(entry, start)
        count += 1
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, count & 0xFFFF, count & 0xFFFF,
        len(directory), len(body) - len(prefix), 0,
    )  # fmt: skip
    return bytes(body + directory + end)


def local_header(entry: Entry) -> bytes:
    name = entry.name.encode()
    return (
        struct.pack(
            "<4s5H3L2H", b"PK\3\4", 20, 0x800, entry.method, 0, 0,
            entry.crc, len(entry.packed), entry.size, len(name), 0,
        )
        + name
    )  # fmt: skip


def listed(entry: Entry, start: int) -> bytes:
    name = entry.name.encode()
    size = entry.size if entry.listed_size is None else entry.listed_size
    return (
        struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, 0x800, entry.method, 0, 0,
            entry.crc, len(entry.packed), size, len(name), 0, 0, 0, 0, 0, start,
        )
        + name
    )  # fmt: skip


def stored(name: str, data: bytes, **lies: int) -> Entry:
    return Entry(name, data, len(data), zlib.crc32(data), **lies)


def deflated(name: str, data: bytes, **lies: int) -> Entry:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(data) + packer.flush()
    return Entry(name, packed, len(data), zlib.crc32(data), DEFLATED, **lies)


def same_bytes_many_times(count: int, size: int) -> bytes:
    """Every entry of the directory claims the one member that is there."""
    one = deflated("0.jpg", bytes(size))
    others = (Entry(f"{n}.jpg", one.packed, size, one.crc, DEFLATED, 0) for n in range(1, count))
    return written([one, *others])


def quoted_overlap(count: int, size: int) -> bytes:
    """Fifield's bomb: each member's packed bytes quote the next one's header, and then share all
    that follows, so that every member alone is a sound zip member."""
    kernel = deflated(f"{count - 1}.jpg", bytes(size))
    chain = [kernel]
    data = bytes(size)
    for number in reversed(range(count - 1)):
        behind = local_header(chain[0])
        quote = struct.pack("<BHH", 0, len(behind), len(behind) ^ 0xFFFF) + behind
        data = behind + data
        packed = quote + chain[0].packed
        chain.insert(0, Entry(f"{number}.jpg", packed, len(data), zlib.crc32(data), DEFLATED))
    first = local_header(chain[0]) + chain[0].packed
    offsets = [first.index(local_header(entry)) for entry in chain]
    directory = b"".join(listed(entry, at) for entry, at in zip(chain, offsets, strict=True))
    return first + directory + _end(count, len(directory), len(first))


def _end(count: int, size: int, offset: int) -> bytes:
    return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, offset, 0)


def packed_with(method: int, files: dict[str, bytes]) -> bytes:
    """A sound zip of another compression method."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def with_zip64_end(plain: bytes, directory_size: int, directory_offset: int) -> bytes:
    """The same zip with a zip64 end that says what it is told to."""
    place = plain.rindex(b"PK\5\6")
    end64 = struct.pack(
        "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, directory_size, directory_offset
    )
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, place, 1)
    return plain[:place] + end64 + locator + plain[place:]
