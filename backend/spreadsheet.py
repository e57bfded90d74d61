"""Lines of CSV that a spreadsheet shows and never obeys."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

BYTE_ORDER_MARK = "\ufeff"
"""First in a file: Excel takes the text for Windows-1252 without one."""
# Where a spreadsheet may take a cell for a formula: at its start, and, for most of Europe separates
# by semicolons, after what it takes for the end of a cell or row within it.
_FORMULA = re.compile(
    r"""^(?='*[=+\-@\t\r])|(?<=[;\t\r\n])(?=['"]*[=+\-@])""",
)


def safe(cell: str) -> str:
    """A cell of which no spreadsheet runs a part as a formula: with an apostrophe before each that
    could be one, which an import takes off again."""
    return _FORMULA.sub("'", cell)


def csv_line(cells: Iterable[str]) -> str:
    """Cells as one line of CSV, each of them safe."""
    text = io.StringIO()
    csv.writer(text).writerow(map(safe, cells))
    return text.getvalue()
