from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.errors import InvalidInput
from workers.datasets.tar_members import members

DAMAGED = "is no plain tar file, or damaged or cut short: make or download it again"


def tar_of(*names: str, form: int = tarfile.PAX_FORMAT, mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = 600 + number, 1.5  # a fraction: pax headers
            archive.addfile(info, io.BytesIO(bytes([number]) * info.size))
    return out.getvalue()


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    return tmp_path / "a.tar"


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_names_places_and_sizes_are_those_of_the_members(shard, form):
    long = "d/" * 40 + "name.txt"
    data = tar_of("a.txt", long, "c.jpg", form=form)
    shard.write_bytes(data)
    found = list(members(shard))
    assert [one.name for one in found] == ["a.txt", long, "c.jpg"]
    for number, one in enumerate(found):
        assert data[one.offset : one.offset + one.size] == bytes([number]) * (600 + number)


def test_links_devices_and_folders_are_passed_over(shard):
    with tarfile.open(shard, "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo("x.txt")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert list(members(shard)) == []


def test_a_compressed_tar_is_told(shard):
    shard.write_bytes(tar_of("a.txt", mode="w:gz"))
    with pytest.raises(InvalidInput, match=DAMAGED):
        list(members(shard))


def test_a_tar_cut_short_is_told(shard):
    data = tar_of("a.txt", "b.txt")
    shard.write_bytes(data[: data.index(bytes([1]) * 600) + 100])
    with pytest.raises(InvalidInput, match=DAMAGED):
        list(members(shard))


def test_damage_in_the_middle_is_told_and_not_taken_for_the_end(shard):
    data = bytearray(tar_of("a.txt", "b.txt", "c.txt", form=tarfile.USTAR_FORMAT))
    second = 512 + 1024
    assert data[second : second + 5] == b"b.txt"
    data[second] = ord("x")  # its checksum is wrong now
    shard.write_bytes(bytes(data))
    with pytest.raises(InvalidInput, match=DAMAGED):
        list(members(shard))


def test_a_size_below_zero_would_never_end_and_is_told(shard):
    info = tarfile.TarInfo("a.txt")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + b"\xfc\x00"  # -1024: back to itself
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    shard.write_bytes(bytes(header) * 3 + bytes(1024))
    with pytest.raises(InvalidInput, match=DAMAGED):
        list(members(shard))


def test_a_header_of_gigabytes_is_not_read(shard):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 3 * 1024**3
    with shard.open("wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.truncate(4 * 1024**3)
    with pytest.raises(InvalidInput, match=DAMAGED):
        list(members(shard))


def test_headers_without_end_are_told(shard):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 512
    shard.write_bytes((info.tobuf(tarfile.GNU_FORMAT) + b"x" * 512) * 5_000)
    with pytest.raises(InvalidInput, match=DAMAGED):
        list(members(shard))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.tuples(st.integers(0, 4095), st.integers(0, 255)), max_size=5))
def test_any_damage_is_told_or_harmless(shard, places):
    data = bytearray(tar_of("a.txt", "b.json"))
    for place, value in places:
        data[place] = value
    shard.write_bytes(bytes(data))
    try:
        found = list(members(shard))
    except InvalidInput:
        return
    assert all(0 <= one.offset <= one.offset + one.size <= len(data) for one in found)
