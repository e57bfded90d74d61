"""Zip files of strangers: what is inside, and its bytes, within limits.

Nothing is ever unpacked to a path: a member is its place in the zip's directory, and its name is
only looked at. Members that Akin will not read are refused one by one; a zip that is built to
exhaust its reader is refused as a whole, before anything in it is expanded.
"""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

from backend.catalogue.naming import check_name, is_junk, kind_of
from backend.errors import InvalidInput, TooLarge

DIRECTORY_BYTES = 64 * 1024**2
_UTF8_FLAG = 0x800
_ENCRYPTED_FLAGS = 0x1 | 0x40 | 0x2000  # by password, strongly, and with the directory masked
_HEADER_BYTES = 30  # of a member's own header, before its name
_END_64_BYTES = 76  # what zip64 has between its directory and the end every zip has
_UNIX = 3
# Their decompressors expand a piece without a bound, and LZMA takes as much memory as it is told.
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_PLAIN = {0, stat.S_IFREG, stat.S_IFDIR}
# What zipfile and its decompressors raise on damaged archives.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    ValueError,
    LookupError,
    OverflowError,
)


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """What a zip may hold. Pictures hardly shrink in a zip, so a high ratio is a bomb."""

    members: int = 250_000
    expanded_bytes: int = 20 * 1024**3
    ratio: int = 100
    ratio_from_bytes: int = 100 * 1024**2
    """Archives that expand to less than this may have any ratio."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside a zip: its place in the directory, relative path, and size expanded."""

    index: int
    name: str
    size: int
    refusal: str | None = None
    """Why it is not read, in one sentence."""


class Archive:
    """An open zip. Not for several threads at once."""

    def __init__(self, opened: zipfile.ZipFile, name: str) -> None:
        self._zip = opened
        self._name = name

    def members(self) -> list[Member]:
        """Every file inside but hidden ones, in the order of the zip's directory."""
        infos = self._zip.infolist()
        uses = Counter(_name(info) for info in infos)
        return [
            Member(index, _name(info), info.file_size, self._refusal(info, uses[_name(info)]))
            for index, info in enumerate(infos)
            if not _name(info).endswith("/") and not is_junk(_name(info))
        ]

    def read(self, index: int, max_bytes: int) -> bytes:
        """The bytes of the member at this place in the directory.

        Raises:
            TooLarge: if they are more than `max_bytes`.
            InvalidInput: if it is one of those that are refused, or the zip is damaged there.
        """
        info = self._zip.infolist()[index]
        refusal = self._refusal(info, uses=1)
        if refusal is not None:
            raise InvalidInput(refusal)
        if info.file_size > max_bytes:
            raise TooLarge(
                f"{self._name}/{_name(info)} has {info.file_size:,} bytes, and {max_bytes:,} are "
                "allowed: send a smaller file."
            )
        try:
            return self._expanded(info)
        except _DAMAGE as error:
            raise InvalidInput(
                f"{self._name} is damaged at {_name(info)}: make the zip again."
            ) from error

    def _expanded(self, info: zipfile.ZipInfo) -> bytes:
        """What the directory says it is: never more bytes, and checked by the CRC."""
        with self._zip.open(info) as member:
            data = member.read(info.file_size)
        if len(data) != info.file_size:
            raise zipfile.BadZipFile("fewer bytes than the directory says")
        return data

    def _refusal(self, info: zipfile.ZipInfo, uses: int) -> str | None:
        name = _name(info)
        try:
            check_name(name)
        except InvalidInput as error:
            return f"{self._name}: {error.sentence}"
        return _unreadable(info, f"{self._name}/{name}") or (
            f"{self._name} holds {name} {uses} times: make the zip again." if uses > 1 else None
        )


@contextmanager
def open_archive(file: BinaryIO, name: str, limits: ZipLimits = ZipLimits()) -> Iterator[Archive]:
    """The zip in a seekable file; `name` is what sentences call it.

    Raises:
        InvalidInput: if it is not a zip, or damaged, or its members lie over one another.
        TooLarge: for too many members, or too many bytes once expanded.
    """
    try:
        size = file.seek(0, io.SEEK_END)
        _check_directory(file, name, limits)
        opened = zipfile.ZipFile(file)
    except _DAMAGE as error:
        raise InvalidInput(
            f"{name} is not a zip that can be read, or is cut short: make it again."
        ) from error
    with opened:
        _check_expanded(opened.infolist(), size, name, limits)
        _check_overlaps(opened.infolist(), name)
        yield Archive(opened, name)


def _check_directory(file: BinaryIO, name: str, limits: ZipLimits) -> None:
    """zipfile reads the whole directory into memory, and before anybody can count its members."""
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # the same that ZipFile reads
    if not end:
        return  # ZipFile refuses it
    size = end[zipfile._ECD_SIZE]  # type: ignore[attr-defined]
    if size > DIRECTORY_BYTES:
        raise TooLarge(
            f"The directory of {name} has {size:,} bytes, and {DIRECTORY_BYTES:,} are allowed: "
            "send several smaller zips."
        )
    is_64 = end[zipfile._ECD_SIGNATURE] == zipfile.stringEndArchive64  # type: ignore[attr-defined]
    start = end[zipfile._ECD_LOCATION] - size - is_64 * _END_64_BYTES  # type: ignore[attr-defined]
    file.seek(max(start, 0))
    count = file.read(size).count(zipfile.stringCentralDir)  # type: ignore[attr-defined]
    if count > limits.members:
        raise TooLarge(
            f"{name} holds {count:,} files, and {limits.members:,} are allowed: "
            "split it into several zips."
        )


def _check_expanded(
    infos: Iterable[zipfile.ZipInfo], size: int, name: str, limits: ZipLimits
) -> None:
    expanded = sum(info.file_size for info in infos)
    if expanded > limits.expanded_bytes:
        raise TooLarge(
            f"{name} expands to {expanded:,} bytes, and {limits.expanded_bytes:,} are "
            "allowed: split it into several zips."
        )
    if expanded > limits.ratio_from_bytes and expanded > size * limits.ratio:
        raise TooLarge(
            f"{name} expands to {expanded // size:,} times its size, as bombs do, "
            f"and {limits.ratio} times are allowed: send the files as they are."
        )


def _check_overlaps(infos: Iterable[zipfile.ZipInfo], name: str) -> None:
    """Members that share packed bytes make a bomb of a small file (D. Fifield, "A better zip
    bomb", WOOT 2019), and no program that packs files makes them."""
    spans = sorted((info.header_offset, info.compress_size) for info in infos)
    for (start, packed), (following, _) in pairwise(spans):
        if start + _HEADER_BYTES + packed > following:
            raise InvalidInput(
                f"Files in {name} lie over one another, as in bombs: make the zip again."
            )


def _unreadable(info: zipfile.ZipInfo, shown: str) -> str | None:
    """Why a member with a proper name is not read, judged by the directory alone."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return f"{shown} is a link, and links are not followed: zip the file itself."
    if kind not in _PLAIN and info.create_system == _UNIX:
        return f"{shown} is a device or pipe, and only plain files are read: leave it out."
    if info.flag_bits & _ENCRYPTED_FLAGS:
        return f"{shown} is encrypted: make the zip without a password."
    if kind_of(shown) == "zip":
        return f"{shown} is a zip inside a zip: send it on its own."
    if info.compress_type not in _METHODS:
        return (
            f"{shown} is packed by a method that is not read (number {info.compress_type}): make "
            "the zip with the usual one, deflate."
        )
    return None


def _name(info: zipfile.ZipInfo) -> str:
    """The member's path; macOS writes UTF-8 without the flag that says so, Windows backslashes."""
    name = info.orig_filename
    if not info.flag_bits & _UTF8_FLAG:
        try:
            name = name.encode("cp437").decode()
        except UnicodeError:
            name = info.orig_filename  # it really is in the zip's old code page
    return name.replace("\\", "/")
