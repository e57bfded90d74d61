"""Ingest of 1,500 products through a running server: stage times, and how busy the encoder is."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from backend.client import AkinClient
from benchmarks.catalogue import PRODUCTS, drawn, filled
from benchmarks.tables import write
from tests.end_to_end.server import Server


def main() -> None:
    """First import, the same again, and the encoder alone on the same pictures."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = drawn(Path(scratch))
        server = Server(Path(scratch) / "home")
        server.start()
        try:
            first = filled(server, folder)
            begun = time.perf_counter()
            server.run("ingest", str(folder / "products.csv"))
            again = time.perf_counter() - begun
            with AkinClient(server.url) as client:
                rows = _rows(client, first, again)
        finally:
            server.stop()
    write("ingest", f"Ingest of {PRODUCTS} products", ("what", "figure", "unit"), rows)


def _rows(client: AkinClient, first: float, again: float) -> list[tuple[str, float, str]]:
    jobs = client.jobs(limit=100).items
    imports = [job for job in jobs if job.kind == "ingest"]
    embeds = [job for job in jobs if job.kind == "embed" and job.result.get("embedded")]
    rows = [("from the command to searchable", first, "s")]
    rows.append(("products a second", PRODUCTS / first, "1/s"))
    for stage, seconds in imports[-1].result["seconds"].items():
        rows.append((f"import: {stage}", float(seconds), "s"))
    totals: dict[str, float] = {}
    for job in embeds:
        for stage, seconds in job.result["seconds"].items():
            totals[stage] = totals.get(stage, 0.0) + float(seconds)
    rows += [(f"embed: {stage}", seconds, "s") for stage, seconds in totals.items()]
    busy = totals["encode"] / totals["total"]
    rows.append(("encoder busy, share of the embed jobs' time", busy, ""))
    rows.append(("encoder busy, share of the whole", totals["encode"] / first, ""))
    rows.append(("the same catalogue again, whole command", again, "s"))
    rows.append(("the same catalogue again, files a second", PRODUCTS / again, "1/s"))
    return rows
