"""Zips that are built to harm: each is refused in a sentence, before it can cost anything."""

from __future__ import annotations

import io
import stat
import struct
import tracemalloc
import zipfile

import pytest

from backend.catalogue import archives
from backend.catalogue.archives import Member, ZipLimits, open_archive
from backend.errors import AkinError, InvalidInput, TooLarge
from tests.backend.catalogue.hostile_zips import (
    deflated,
    packed_with,
    quoted_overlap,
    same_bytes_many_times,
    stored,
    with_zip64_end,
    written,
)

NO_ZIP = "z.zip is not a zip that can be read, or is cut short: make it again."
OVERLAP = "Files in z.zip lie over one another, as in bombs: make the zip again."


def members(data: bytes, limits: ZipLimits = ZipLimits()) -> list[Member]:
    with open_archive(io.BytesIO(data), "z.zip", limits) as archive:
        return archive.members()


def read(data: bytes, index: int = 0, max_bytes: int = 10**6) -> bytes:
    with open_archive(io.BytesIO(data), "z.zip") as archive:
        return archive.read(index, max_bytes)


def refusal(data: bytes, limits: ZipLimits = ZipLimits()) -> str:
    with pytest.raises(AkinError) as refused:
        members(data, limits)
    return refused.value.sentence


# Bombs


def test_the_bomb_would_work() -> None:
    """Python's own reader expands it: what is refused below is no broken zip."""
    bomb = quoted_overlap(50, 50_000)
    with zipfile.ZipFile(io.BytesIO(bomb)) as opened:
        expanded = sum(len(opened.read(info)) for info in opened.infolist())
    assert expanded > 200 * len(bomb)


@pytest.mark.parametrize("bomb", [same_bytes_many_times, quoted_overlap])
def test_members_that_share_their_bytes(bomb) -> None:
    assert refusal(bomb(5, 50_000)) == OVERLAP


def test_members_that_touch_do_not_overlap() -> None:
    assert len(members(written([stored(f"{n}.jpg", bytes(n)) for n in range(5)]))) == 5


def test_many_members_are_counted_before_zipfile_reads_them(monkeypatch) -> None:
    """Its directory of 46 bytes a member would take 20 times that as objects."""
    many = written(stored("", b"") for _ in range(60_000))
    monkeypatch.setattr(zipfile.ZipFile, "_RealGetContents", lambda _: pytest.fail("was read"))
    tracemalloc.start()
    told = refusal(many, ZipLimits(members=1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told == "z.zip holds 60,000 files, and 1,000 are allowed: split it into several zips."
    assert peak < 2 * len(many)


def test_a_directory_that_says_it_is_huge(monkeypatch) -> None:
    data = bytearray(written([stored("1.jpg", b"x")]))
    struct.pack_into("<L", data, len(data) - 10, 2**32 - 2)
    assert refusal(bytes(data)) == (
        "The directory of z.zip has 4,294,967,294 bytes, and 67,108,864 are allowed: "
        "send several smaller zips."
    )
    monkeypatch.setattr(archives, "DIRECTORY_BYTES", 1000)
    assert "has 1,020 bytes, and 1,000 are allowed" in refusal(
        written(stored(f"{n:05}", b"") for n in range(20))
    )


def test_more_bytes_than_the_directory_says_are_not_expanded() -> None:
    """Twenty megabytes that claim to be ten bytes."""
    liar = written([deflated("1.jpg", bytes(20_000_000), listed_size=10)])
    tracemalloc.start()
    with pytest.raises(InvalidInput, match=r"^z\.zip is damaged at 1\.jpg: make the zip again\.$"):
        read(liar)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_fewer_bytes_than_the_directory_says_are_damage() -> None:
    with pytest.raises(InvalidInput, match=r"^z\.zip is damaged at 1\.jpg"):
        read(written([deflated("1.jpg", b"short", listed_size=100_000)]))


def test_a_claim_of_four_gigabytes_costs_nothing() -> None:
    with pytest.raises(TooLarge, match=r"4,294,967,280 bytes, and 1,000,000 are allowed"):
        read(written([stored("1.jpg", b"x" * 50_000_000, listed_size=2**32 - 16)]))


def test_a_bomb_inside_one_member_is_told_by_its_ratio() -> None:
    bomb = written([deflated(f"{n}.bmp", bytes(30_000_000)) for n in range(4)])
    assert "times its size, as bombs do, and 100 times are allowed" in refusal(bomb)


# Kinds of members


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        (stat.S_IFLNK | 0o777, "is a link, and links are not followed: zip the file itself."),
        (stat.S_IFBLK, "is a device or pipe, and only plain files are read: leave it out."),
        (stat.S_IFCHR, "is a device or pipe, and only plain files are read: leave it out."),
        (stat.S_IFIFO, "is a device or pipe, and only plain files are read: leave it out."),
        (stat.S_IFSOCK, "is a device or pipe, and only plain files are read: leave it out."),
    ],
)
def test_members_that_are_no_plain_files(mode: int, told: str) -> None:
    special, plain = zipfile.ZipInfo("a.jpg"), zipfile.ZipInfo("b.jpg")
    special.external_attr, plain.external_attr = mode << 16, (stat.S_IFREG | 0o644) << 16
    special.create_system = plain.create_system = 3
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(special, b"/etc/passwd")
        archive.writestr(plain, b"x")
    assert [m.refusal for m in members(buffer.getvalue())] == [f"z.zip/a.jpg {told}", None]
    with pytest.raises(InvalidInput, match=r"^z\.zip/a\.jpg is "):
        read(buffer.getvalue())


@pytest.mark.parametrize("flag", [0x1, 0x40, 0x2000])
def test_every_way_of_encryption(flag: int) -> None:
    data = bytearray(written([stored("1.jpg", b"x")]))
    struct.pack_into("<H", data, data.index(b"PK\1\2") + 8, 0x800 | flag)
    (member,) = members(bytes(data))
    assert member.refusal == "z.zip/1.jpg is encrypted: make the zip without a password."


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_whose_memory_cannot_be_bounded(method: int) -> None:
    """LZMA takes the dictionary it is told (up to 4 GB), and both expand a piece at one go."""
    (member,) = members(packed_with(method, {"1.jpg": b"x" * 1000}))
    assert member.refusal == (
        f"z.zip/1.jpg is packed by a method that is not read (number {method}): make the zip with "
        "the usual one, deflate."
    )
    with pytest.raises(InvalidInput, match="is packed by a method that is not read"):
        read(packed_with(method, {"1.jpg": b"x" * 1000}))


# Names


@pytest.mark.parametrize(
    "name",
    ["../a.jpg", "/a.jpg", "\\a.jpg", "..\\a.jpg", "C:a.jpg", "c:\\a.jpg", "a//b.jpg", "a/./b.jpg",
     "\\\\server\\share\\a.jpg", "a/..\\..\\b.jpg"],
)  # fmt: skip
def test_names_that_lead_elsewhere(name: str) -> None:
    (member,) = members(written([stored(name, b"x")]))
    assert member.refusal is not None
    assert "is not a relative path inside the import" in member.refusal


@pytest.mark.parametrize("name", ["a\nb.jpg", "a\0.jpg", "a\x1b[2J.jpg", "\x7f.jpg", "a\u0085.jpg"])
def test_names_with_control_characters(name: str) -> None:
    (member,) = members(written([stored(name, b"x")]))
    assert member.refusal == (
        f"z.zip: The file name {name!r} holds characters that cannot be stored: rename the file."
    )


def test_a_name_of_sixty_thousand_characters() -> None:
    (member,) = members(written([stored("a" * 60_000 + ".jpg", b"x")]))
    assert member.refusal is not None
    assert "has 60,004 characters, and 1,000 are allowed: shorten it." in member.refusal
    assert len(member.refusal) < 300


def test_a_name_that_says_it_is_utf8_and_is_not() -> None:
    data = written([stored("XXXX.jpg", b"x")]).replace(b"XXXX", b"\xff\xfe\xff\xfe")
    assert refusal(data) == NO_ZIP


def test_a_name_in_an_old_code_page_is_read() -> None:
    data = bytearray(written([stored("XX.jpg", b"x")]).replace(b"XX", b"\x81\x9d"))
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        struct.pack_into("<H", data, data.index(mark) + place, 0)
    (member,) = members(bytes(data))
    assert (member.name, member.refusal) == ("ü¥.jpg", None)


def test_names_that_differ_in_case_only_are_two_files() -> None:
    data = written([stored("a.jpg", b"1"), stored("A.JPG", b"2")])
    assert [(m.name, m.refusal) for m in members(data)] == [("a.jpg", None), ("A.JPG", None)]
    assert (read(data, 0), read(data, 1)) == (b"1", b"2")


def test_a_header_that_names_another_file_than_the_directory_is_damage() -> None:
    data = written([stored("good.jpg", b"x")]).replace(b"good.jpg", b"evil.jpg", 1)
    with pytest.raises(InvalidInput, match=r"^z\.zip is damaged at good\.jpg"):
        read(data)


# Shapes of the file


def test_a_zip_behind_other_bytes_is_read() -> None:
    """As self-extracting programs and polyglots are made."""
    data = written([stored("1.jpg", b"one"), stored("2.jpg", b"two")], prefix=b"\xff\xd8" * 500)
    assert [m.refusal for m in members(data)] == [None, None]
    assert read(data, 1) == b"two"


@pytest.mark.parametrize("place", range(1, 100, 7))
def test_a_zip_cut_anywhere_is_refused(place: int) -> None:
    whole = written([stored("1.jpg", b"x" * 30), deflated("2.jpg", b"y" * 300)])
    assert refusal(whole[: len(whole) * place // 100]) == NO_ZIP


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8\xff\xe0 a photo", b"PK\3\4", b"Rar!\x1a\7\0", b"\0" * 10**6]
)
def test_what_is_really_something_else(data: bytes) -> None:
    assert refusal(data) == NO_ZIP


def test_an_empty_zip_and_a_zip_of_junk_have_no_members() -> None:
    assert members(written([])) == []
    assert members(written([stored("__MACOSX/._1.jpg", b"x"), stored("Thumbs.db", b"x")])) == []


def test_a_zip64_end_that_lies_about_the_size() -> None:
    plain = written([stored("1.jpg", b"x")])
    assert refusal(with_zip64_end(plain, 2**63, 0)).startswith("The directory of z.zip has")
    assert refusal(with_zip64_end(plain, 40, 0)) == NO_ZIP
    assert members(with_zip64_end(plain, 0, 2**62)) == []


def test_a_zip64_end_that_lies_about_the_place() -> None:
    plain = written([stored("1.jpg", b"x")])
    size = plain.index(b"PK\5\6") - plain.index(b"PK\1\2")
    with pytest.raises(InvalidInput, match=r"^z\.zip is damaged at 1\.jpg"):
        read(with_zip64_end(plain, size, 2**63))


def test_a_zip64_end_that_is_right_is_read() -> None:
    plain = written([stored("1.jpg", b"x")])
    start, end = plain.index(b"PK\1\2"), plain.index(b"PK\5\6")
    whole = with_zip64_end(plain, end - start, start)
    assert read(whole) == b"x"
    with pytest.raises(TooLarge, match="holds 1 files, and 0 are allowed"):
        members(whole, ZipLimits(members=0))
