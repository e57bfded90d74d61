"""Seconds until ready, and memory, empty and with 1,500 products."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.catalogue import PRODUCTS, drawn, filled
from benchmarks.tables import Table, write
from tests.end_to_end.server import Server


def main() -> None:
    """Start empty, fill, stop, start again; with the UI."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = drawn(Path(scratch))
        server = Server(Path(scratch) / "home", options=())
        rows = [("start, empty folder", _started(server), "s")]
        rows.append(("memory of API and worker, empty", _memory(server), "MB"))
        filled(server, folder)
        rows.append((f"memory after importing {PRODUCTS} products", _memory(server), "MB"))
        server.stop()
        rows.append((f"start with {PRODUCTS} products", _started(server), "s"))
        rows.append((f"memory with {PRODUCTS} products", _memory(server), "MB"))
        rows.append(("memory of the UI process", _memory(server, child=True), "MB"))
        server.stop()
    write("startup", "Start-up and memory", Table(("what", "figure", "unit"), rows))


def _started(server: Server) -> float:
    begun = time.perf_counter()
    server.start()
    return time.perf_counter() - begun


def _memory(server: Server, *, child: bool = False) -> float:
    if server.process is None:
        raise RuntimeError("the server does not run")
    process = psutil.Process(server.process.pid)
    if child:
        process = process.children()[0]
    return float(process.memory_info().rss / 1024**2)
