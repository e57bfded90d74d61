"""Sheets of HTML to look new triplets over: pictures, sentences, and a tick for those to keep."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

import numpy as np
from numpy.typing import NDArray

from backend.encoding.decoding import decode_image
from workers.recipes.positives.formats import fashioniq_row
from workers.recipes.positives.pairing import Pair

SHEET = 200  # triplets on a sheet: two megabytes, and an hour of a careful person
SIDE = 160  # pixels
_QUALITY = 75
_TEMPLATE = Path(__file__).with_name("review_sheet.html")


class ReviewSheets:
    """Writes `review-001.html` and so on, each whole in itself: it needs no server, loads nothing,
    and its button saves the ticked rows in FashionIQ's format.

    pictures: the files of all that may come. chosen: of each pair to come, whether it is shown.
    """

    def __init__(
        self, folder: Path, pictures: Mapping[str, Path], chosen: NDArray[np.bool]
    ) -> None:
        self._folder = folder
        self._pictures = pictures
        self._chosen = chosen
        self._seen = 0
        self._waiting: list[Pair] = []
        self.paths: list[Path] = []
        for old in folder.glob("review-*.html"):
            old.unlink()

    def add(self, pairs: Sequence[Pair]) -> None:
        """Show the chosen ones of these too."""
        for pair in pairs:
            if self._chosen[self._seen]:
                self._waiting.append(pair)
            self._seen += 1
            if len(self._waiting) == SHEET:
                self.close()

    def close(self) -> None:
        """Write what waits for a sheet to be full."""
        if not self._waiting:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        number = len(self.paths) + 1
        path = self._folder / f"review-{number:03}.html"
        path.write_text(self._sheet(self._waiting, number), encoding="utf-8")
        self.paths.append(path)
        self._waiting = []

    def discard(self) -> None:
        """Take back what was written."""
        for path in self.paths:
            path.unlink(missing_ok=True)
        self.paths, self._waiting = [], []

    def _sheet(self, pairs: Sequence[Pair], number: int) -> str:
        names = dict.fromkeys(name for pair in pairs for name in (pair.reference, pair.target))
        shown = {name: thumbnail(self._pictures[name]) for name in names}
        rows = "\n".join(_row(pair, at, shown) for at, pair in enumerate(pairs))
        data = json.dumps([fashioniq_row(pair) for pair in pairs])
        return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
            number=f"{number:03}",
            count=len(pairs),
            rows=rows,
            # A caption that says "</script>" would end the block that holds it.
            data=data.replace("<", "\\u003c"),
        )


def thumbnail(path: Path) -> str:
    """A small JPEG of the picture as a data URI."""
    image = decode_image(path.read_bytes(), draft=SIDE, name=str(path))
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _row(pair: Pair, at: int, shown: Mapping[str, str]) -> str:
    sentences = "".join(f"<li>{html.escape(text)}</li>" for text in pair.captions)
    return (
        f'<li class="pair"><label><input type="checkbox" value="{at}">'
        f"{_figure(pair.reference, pair.reference_caption, shown)}"
        f"<ul>{sentences}</ul>"
        f"{_figure(pair.target, pair.target_caption, shown)}</label></li>"
    )


def _figure(name: str, caption: str, shown: Mapping[str, str]) -> str:
    told = html.escape(caption)
    return (
        f'<figure><img src="{shown[name]}" alt="{told}"><figcaption>{told}'
        f"<small>{html.escape(name)}</small></figcaption></figure>"
    )
