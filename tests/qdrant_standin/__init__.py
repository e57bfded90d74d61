"""A stand-in for a Qdrant server: its HTTP interface, as far as Akin uses it, over Qdrant Edge.

Filters, facets, order and errors are the real engine's; what is not is that there is one shard, no
background optimiser, and that calls take turns. Figures taken over it say so.
"""

from __future__ import annotations

import atexit
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path


def command(folder: Path, *, port: int = 0, **options: object) -> list[str]:
    """What starts a stand-in; its first line of output is its URL. Options: `api_key`, `record`,
    `certificate`."""
    given = {"port": port, "folder": folder, **options}
    words = [
        word
        for name, value in given.items()
        if value is not None
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    return [sys.executable, "-m", "tests.qdrant_standin", *words]


@contextmanager
def running(folder: Path, *, port: int = 0, **options: object) -> Iterator[str]:
    """The URL of a stand-in in a process of its own, which keeps its collections in `folder`."""
    process = subprocess.Popen(
        command(folder, port=port, **options),
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url, f"the stand-in ended with {process.wait()}: see its standard error"
            yield url
        finally:
            process.kill()


@cache
def shared_url() -> str:
    """The URL of one stand-in for the whole test run; tests make collections of their own there."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="akin-qdrant-"))
    return stack.enter_context(running(Path(folder)))
