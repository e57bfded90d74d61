"""The text of a manifest: its encoding, its delimiter, and its lines within bounds."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator

from backend.catalogue.json_lines import MAX_LINE
from backend.catalogue.schemas import TextEncoding
from backend.errors import InvalidInput

SHOWN = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252"}
"""What people call a codec."""
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_CHUNK = 1 << 20
_HEADER = 1 << 16
_DELIMITERS = ",;\t"


class NotUtf8(InvalidInput):
    """A text in some other encoding, which somebody has to name."""

    code = "not-utf-8"


class RowLines:
    """Lines as a CSV reader takes them: several for a row whose quotes hold line ends. It makes as
    many cells as a row has, so one longer than `MAX_LINE` characters is an error of the format."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._size = 0

    def begin_row(self) -> None:
        """What comes from here on is another row."""
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._size += len(line)
        if self._size > MAX_LINE:
            raise csv.Error(f"it is longer than {MAX_LINE:,} characters")
        return line


def codec_of(data: bytes, name: str, fallback: TextEncoding | None) -> str:
    """The codec that reads every byte; checked in pieces, since a text is larger than its bytes.

    Raises:
        NotUtf8: if it is not UTF-8 and there is no fallback.
        InvalidInput: if it is not text, or empty.
    """
    codec = next((codec for bom, codec in _BOMS.items() if data.startswith(bom)), "utf-8")
    if not _decodes(data, codec):
        if codec != "utf-8" or fallback is None:
            raise _undecodable(data, codec, name)
        codec = "cp1252"
        if not _decodes(data, codec):
            raise InvalidInput(
                f"{name} is neither UTF-8 nor Windows-1252 text: save it as CSV in UTF-8."
            )
    if _holds_zeros(data, codec):
        raise InvalidInput(f"{name} holds zero bytes, so it is no text: save it as CSV in UTF-8.")
    if not any(line.strip() for line in lines_of(data, codec, "")):
        raise InvalidInput(f"{name} is empty: write a header and at least one row.")
    return codec


def lines_of(data: bytes, codec: str, newline: str) -> Iterator[str]:
    """The lines; of one that is longer than may be, so much as tells that it is."""
    text = io.TextIOWrapper(io.BytesIO(data), codec, newline=newline)
    while line := text.readline(MAX_LINE + 1):
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith("\n"):
            rest = text.readline(MAX_LINE + 1)
        yield line


def delimiter_of(data: bytes, codec: str) -> str:
    """The one that is most frequent in the header, outside of quotes."""
    head = io.TextIOWrapper(io.BytesIO(data), codec, newline="").read(_HEADER)
    unquoted = re.sub(r'"(?:[^"]|"")*"', '""', head)
    header = next((line for line in re.split(r"[\r\n]+", unquoted) if line.strip()), "")
    return max(_DELIMITERS, key=header.count)


def _holds_zeros(data: bytes, codec: str) -> bool:
    if codec != "utf-16":
        return b"\0" in data
    return any("\0" in line for line in lines_of(data, codec, ""))


def _decodes(data: bytes, codec: str) -> bool:
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        for start in range(0, len(data), _CHUNK):
            decoder.decode(data[start : start + _CHUNK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _undecodable(data: bytes, codec: str, name: str) -> NotUtf8:
    try:
        data.decode(codec)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return NotUtf8(
            f"{name} is not {SHOWN[codec]} text: byte {data[error.start]:#04x} in line {line:,} "
            "does not belong there: save it as CSV in UTF-8, or say that it is Windows-1252."
        )
    raise AssertionError  # it is only called for what does not decode
