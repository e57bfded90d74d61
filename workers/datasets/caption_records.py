"""A caption with its picture, and how records of strangers become one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.errors import InvalidInput
from workers.datasets.annotations import Row, not_utf8

COLUMNS = ("caption", "title", "text")
"""The columns or keys that a caption is looked for in, in this order and in any case."""

PICTURES = ("filepath", "image", "images", "image_path", "path", "filename")

Place = Sequence[int]
"""Where a sample is in its file: as many whole numbers as its kind of file needs."""


@dataclass(frozen=True)
class Captioned:
    """A caption, and its picture as a file or as bytes where there is one."""

    caption: str
    picture: Path | bytes | None = None


@dataclass(frozen=True)
class Columns:
    """Which columns hold the caption and the picture's name."""

    caption: str
    picture: str | None

    @classmethod
    def of(cls, names: Sequence[str], wanted: str | None, where: str) -> Columns:
        """Those of the column names; `wanted` as the caption instead of guessing.

        Raises InvalidInput where no column holds captions, naming those there are.
        """
        if not names:
            raise InvalidInput(f"{where} is empty: it needs the names of its columns and values.")
        known = {name.strip().casefold(): name for name in reversed(names)}
        caption = next((known[one] for one in COLUMNS if one in known), None)
        if wanted is not None:
            caption = known.get(wanted.casefold())
        if caption is None:
            raise InvalidInput(
                f"{where}: there is no column {wanted or ' or '.join(COLUMNS)}, only "
                f"{', '.join(names)[:200]}: say which holds the captions."
            )
        return cls(caption, next((known[one] for one in PICTURES if one in known), None))

    def caption_of(self, values: Mapping[str, Any], where: str) -> str:
        """The caption; nothing under its key is an empty one. Raises InvalidInput for no text."""
        return (
            ""
            if values.get(self.caption) is None
            else Row(where, values).text(self.caption).strip()
        )

    def captioned(self, values: Mapping[str, Any], file: Path, where: str) -> Captioned:
        """The sample of a record in that file."""
        named = None if self.picture is None else values.get(self.picture)
        if isinstance(named, list):
            named = named[0] if named else None
        picture = picture_file(file, named) if isinstance(named, str) and named else None
        return Captioned(self.caption_of(values, where), picture)


def picture_file(file: Path, name: str) -> Path:
    """The picture that a list names, relative to the list's folder, or to the one above as
    Pic2Word's lists have it; absolute names stay as they are."""
    above = file.parent.parent / name
    beside = file.parent / name
    return above if not beside.is_file() and above.is_file() else beside


def bytes_at(path: Path, start: int, end: int) -> bytes:
    """Those bytes of the file; InvalidInput where it has become shorter."""
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(end - start)
    if len(data) < end - start:
        raise InvalidInput(f"{path} was cut short while it was in use: start again.")
    return data


def text_of(data: bytes, where: str) -> str:
    """The text; InvalidInput where it is no UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(where) from error


def object_of(text: str, where: str) -> dict[str, Any]:
    """The JSON object; InvalidInput where it is another thing."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{where}: it is not valid JSON: correct it.") from error
    if not isinstance(values, dict):
        raise InvalidInput(f"{where}: it is not a JSON object: write one object a line.")
    return values
