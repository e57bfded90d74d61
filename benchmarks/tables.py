"""Writing tables of figures, and saying on which machine they were taken."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Table:
    """Figures under their columns; `caption` says what is not in the columns' names."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str = ""


def machine() -> str:
    """The machine in words."""
    memory = psutil.virtual_memory().total / 1024**3
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GB, no GPU used, "
        f"Python {platform.python_version()}, torch {version('torch')}, "
        f"load {os.getloadavg()[0]:.1f} at the end"
    )


def write(
    name: str,
    title: str,
    *tables: Table,
    command: str | None = None,
    folder: Path = RESULTS,
) -> None:
    """Print the tables and keep them as NAME.md in the folder."""
    lines = [f"# {title}", "", f"`python -m benchmarks {command or name}` on {machine()}."]
    for table in tables:
        lines += ["", *([table.caption, ""] if table.caption else [])]
        lines.append("| " + " | ".join(table.columns) + " |")
        lines.append("|" + "---|" * len(table.columns))
        lines += ["| " + " | ".join(_shown(cell) for cell in row) + " |" for row in table.rows]
    text = "\n".join(lines) + "\n"
    print(text)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(text)


def _shown(cell: object) -> str:
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
