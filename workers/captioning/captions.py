"""What every source of captions takes and gives: pictures by name in, sentences by name out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from workers.datasets.annotations import read_rows

Report = Callable[[str, int, int], None]
"""Told a stage's name, how many are done, and of how many."""
Cancelled = Callable[[], bool]

MAX_CAPTION = 1000  # characters; what rambles on is cut: no text tower reads a tenth of it
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_QUOTED = frozenset({'""', "''", "“”", "‘’", "``"})


@dataclass(frozen=True)
class Captions:
    """texts: the caption of each picture that has one. failed: why a picture has none, in words
    that end a sentence. `complete` is false where the work was cancelled half way."""

    texts: Mapping[str, str]
    failed: Mapping[str, str] = field(default_factory=dict)
    complete: bool = True


class Captioner(Protocol):
    """A source of captions. `name` is for reports and file names."""

    @property
    def name(self) -> str: ...

    def caption(
        self,
        pictures: Mapping[str, Path],
        categories: Mapping[str, str],
        report: Report,
        cancelled: Cancelled,
    ) -> Captions:
        """A caption, or the reason why there is none, for each of the `pictures`.

        categories: what kind of thing each picture shows, where that is known.
        """
        ...


def tidy(text: str) -> str:
    """On one line, without control characters, surrounding quotes and the full stop at its end,
    so that it can stand inside a template."""
    plain = _BLANKS.sub(" ", text[: 4 * MAX_CAPTION]).strip()
    while len(plain) > 1 and plain[0] + plain[-1] in _QUOTED:
        plain = plain[1:-1].strip()
    return plain.rstrip(" .")[:MAX_CAPTION].strip()


class CaptionFile:
    """Captions made before: SPN4CIR's file, a list of {image_id, image_path, caption}.

    Raises InvalidInput, with file and row, where it is something else.
    """

    name = "file"

    def __init__(self, path: Path) -> None:
        self._texts = _read(path)
        self._path = path

    def caption(
        self,
        pictures: Mapping[str, Path],
        categories: Mapping[str, str],
        report: Report,
        cancelled: Cancelled,
    ) -> Captions:
        texts = {name: self._texts[name] for name in pictures if self._texts.get(name)}
        reason = f"it has no caption in {self._path}"
        return Captions(texts, {name: reason for name in pictures if name not in texts})


def write_captions(path: Path, captions: Captions, pictures: Mapping[str, Path]) -> None:
    """The captions in SPN4CIR's format, which `CaptionFile` reads again."""
    rows = [
        {"image_id": name, "image_path": str(pictures[name]), "caption": text}
        for name, text in captions.texts.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, str]:
    return {row.name("image_id"): tidy(row.text("caption")) for row in read_rows(path)}
