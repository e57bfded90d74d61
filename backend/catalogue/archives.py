"""Zip files of strangers: what is inside, and its bytes, within limits."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from backend.catalogue.naming import check_name, is_junk, kind_of
from backend.errors import InvalidInput, TooLarge

DIRECTORY_BYTES = 64 * 1024**2
_UTF8_FLAG, _ENCRYPTED_FLAG = 0x800, 0x1
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
)


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """What a zip may hold. Pictures hardly shrink in a zip, so a high ratio is a bomb."""

    members: int = 100_000
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

    def __init__(self, opened: zipfile.ZipFile, name: str, size: int) -> None:
        self._zip = opened
        self._name = name
        self._size = size

    def members(self, limits: ZipLimits = ZipLimits()) -> list[Member]:
        """Every file inside but hidden ones, in the order of the zip's directory.

        Raises:
            TooLarge: for too many members, or too many bytes once expanded.
        """
        infos = self._zip.infolist()
        self._check_limits(infos, limits)
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
            InvalidInput: if the zip is damaged there.
        """
        info = self._zip.infolist()[index]
        if info.file_size > max_bytes:
            raise TooLarge(
                f"{self._name}/{_name(info)} has {info.file_size:,} bytes, and {max_bytes:,} are "
                "allowed: send a smaller file."
            )
        try:
            with self._zip.open(info) as member:
                return member.read(max_bytes)
        except _DAMAGE as error:
            raise InvalidInput(
                f"{self._name} is damaged at {_name(info)}: make the zip again."
            ) from error

    def _check_limits(self, infos: list[zipfile.ZipInfo], limits: ZipLimits) -> None:
        if len(infos) > limits.members:
            raise TooLarge(
                f"{self._name} holds {len(infos):,} files, and {limits.members:,} are allowed: "
                "split it into several zips."
            )
        expanded = sum(info.file_size for info in infos)
        if expanded > limits.expanded_bytes:
            raise TooLarge(
                f"{self._name} expands to {expanded:,} bytes, and {limits.expanded_bytes:,} are "
                "allowed: split it into several zips."
            )
        # Against the file's own size, since members may claim the same packed bytes.
        if expanded > limits.ratio_from_bytes and expanded > self._size * limits.ratio:
            raise TooLarge(
                f"{self._name} expands to {expanded // self._size:,} times its size, as bombs do, "
                f"and {limits.ratio} times are allowed: send the files as they are."
            )

    def _refusal(self, info: zipfile.ZipInfo, uses: int) -> str | None:
        name = _name(info)
        try:
            check_name(name)
        except InvalidInput as error:
            return f"{self._name}: {error.sentence}"
        if stat.S_ISLNK(info.external_attr >> 16):
            return (
                f"{self._name}/{name} is a link, and links are not followed: zip the file itself."
            )
        if info.flag_bits & _ENCRYPTED_FLAG:
            return f"{self._name}/{name} is encrypted: make the zip without a password."
        if kind_of(name) == "zip":
            return f"{self._name}/{name} is a zip inside a zip: send it on its own."
        if uses > 1:
            return f"{self._name} holds {name} {uses} times: make the zip again."
        return None


@contextmanager
def open_archive(file: BinaryIO, name: str) -> Iterator[Archive]:
    """The zip in a seekable file; `name` is what sentences call it.

    Raises:
        InvalidInput: if it is not a zip, or damaged.
    """
    try:
        size = file.seek(0, io.SEEK_END)
        _check_directory(file, name)
        opened = zipfile.ZipFile(file)
    except _DAMAGE as error:
        raise InvalidInput(
            f"{name} is not a zip that can be read, or is cut short: make it again."
        ) from error
    with opened:
        yield Archive(opened, name, size)


def _check_directory(file: BinaryIO, name: str) -> None:
    """zipfile reads the whole directory into memory, and before anybody can count its members."""
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # the same that ZipFile reads
    size = end[zipfile._ECD_SIZE] if end else 0  # type: ignore[attr-defined]
    if size > DIRECTORY_BYTES:
        raise TooLarge(
            f"The directory of {name} has {size:,} bytes, and {DIRECTORY_BYTES:,} are allowed: "
            "send several smaller zips."
        )


def _name(info: zipfile.ZipInfo) -> str:
    """The member's path; macOS writes UTF-8 without the flag that says so, Windows backslashes."""
    name = info.orig_filename
    if not info.flag_bits & _UTF8_FLAG:
        try:
            name = name.encode("cp437").decode()
        except UnicodeError:
            name = info.orig_filename  # it really is in the zip's old code page
    return name.replace("\\", "/")
