"""Zips of strangers: what comes out, and what is refused with which sentence."""

from __future__ import annotations

import io
import stat
import zipfile

import pytest

from backend.catalogue.archives import Member, ZipLimits, open_archive
from backend.errors import InvalidInput, TooLarge


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file


def members(file: io.BytesIO, limits: ZipLimits = ZipLimits()) -> list[Member]:
    with open_archive(file, "z.zip", limits) as archive:
        return archive.members()


def test_members_are_what_a_folder_would_hold() -> None:
    file = zipped(
        {"dress/1.jpg": b"one", "dress/": b"", "__MACOSX/dress/._1.jpg": b"x", "p.csv": b"sku"}
    )
    with open_archive(file, "z.zip") as archive:
        found = archive.members()
        assert [(m.name, m.size, m.refusal) for m in found] == [
            ("dress/1.jpg", 3, None),
            ("p.csv", 3, None),
        ]
        assert archive.read(found[0].index, max_bytes=3) == b"one"


@pytest.mark.parametrize("name", ["../x.jpg", "/etc/x.jpg", "a/../../x.jpg", "C:\\x.jpg"])
def test_members_that_would_land_elsewhere_are_refused(name: str) -> None:
    bad, good = members(zipped({name: b"x", "1.jpg": b"x"}))
    assert bad.refusal is not None
    assert "is not a relative path inside the import" in bad.refusal
    assert good.refusal is None


def test_links_nested_zips_and_names_used_twice_are_refused() -> None:
    file = io.BytesIO()
    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("more.zip", b"x")
        archive.writestr("twice.jpg", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("twice.jpg", b"2")
    assert [member.refusal for member in members(file)] == [
        "z.zip/link.jpg is a link, and links are not followed: zip the file itself.",
        "z.zip/more.zip is a zip inside a zip: send it on its own.",
        "z.zip holds twice.jpg 2 times: make the zip again.",
        "z.zip holds twice.jpg 2 times: make the zip again.",
    ]


def test_an_encrypted_member_is_refused() -> None:
    data = bytearray(zipped({"1.jpg": b"x"}).getvalue())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (member,) = members(io.BytesIO(bytes(data)))
    assert member.refusal == "z.zip/1.jpg is encrypted: make the zip without a password."


def test_utf8_names_without_the_flag_and_windows_paths_are_read() -> None:
    """As macOS and some Windows programs write them."""
    data = zipped({"XXXXX/1.jpg": b"x"}).getvalue().replace(b"XXXXX/", "été".encode() + b"\\")
    (member,) = members(io.BytesIO(data))
    assert member.name == "été/1.jpg"


def test_bytes_that_are_no_zip() -> None:
    for data in (b"", b"hello", zipped({"1.jpg": b"x" * 100}).getvalue()[:60]):
        with pytest.raises(InvalidInput) as refusal, open_archive(io.BytesIO(data), "z.zip"):
            pass
        assert refusal.value.sentence == (
            "z.zip is not a zip that can be read, or is cut short: make it again."
        )


def test_a_damaged_member_is_told_apart() -> None:
    data = zipped({"1.jpg": b"one", "2.jpg": b"two"}).getvalue().replace(b"one", b"0ne")
    with open_archive(io.BytesIO(data), "z.zip") as archive:
        one, two = archive.members()
        with pytest.raises(InvalidInput, match=r"^z\.zip is damaged at 1\.jpg: make the zip again"):
            archive.read(one.index, 10)
        assert archive.read(two.index, 10) == b"two"


def test_bombs_are_refused_before_anything_is_expanded() -> None:
    bomb = zipped({"0.bmp": bytes(2_000_000)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(TooLarge, match=r"^z\.zip expands to [\d,]+ times its size, as bombs do"):
        members(bomb, ZipLimits(ratio_from_bytes=1_000_000))
    with pytest.raises(TooLarge, match=r"^z\.zip expands to 2,000,000 bytes, and 10 are allowed"):
        members(bomb, ZipLimits(expanded_bytes=10))
    with pytest.raises(TooLarge, match=r"^z\.zip holds 2 files, and 1 are allowed: split it"):
        members(zipped({"1.jpg": b"", "2.jpg": b""}), ZipLimits(members=1))


def test_a_member_larger_than_a_picture_may_be_is_refused() -> None:
    with open_archive(zipped({"1.jpg": b"12345"}), "z.zip") as archive:
        (member,) = archive.members()
        with pytest.raises(TooLarge, match=r"^z\.zip/1\.jpg has 5 bytes, and 4 are allowed"):
            archive.read(member.index, max_bytes=4)
