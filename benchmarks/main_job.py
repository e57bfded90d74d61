"""The main job over a whole catalogue, through a running server: ingest, the same again, search,
filter, count, page, edit, delete; with the server's memory on the way."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import psutil

from backend.catalogue.schemas import BulkEdit
from backend.client import AkinClient
from backend.search.schemas import SearchRequest
from benchmarks.catalogue import PRODUCTS, drawn, filled
from benchmarks.serving import served
from benchmarks.tables import Table, write
from tests.end_to_end.server import Server

SAMPLE_SECONDS, TIMES = 2.0, 9
AT_ONCE = 200  # products edited or deleted in one call
CAPTION = (
    "Milliseconds are medians of 9, each a whole call over HTTP by one client; seconds and rates"
    " are of one run. Memory is the server's process without the children that decode pictures."
)


@dataclass
class Memory:
    """The resident memory of a server, sampled every two seconds: (seconds, MB)."""

    samples: list[tuple[float, float]] = field(default_factory=list)

    @contextmanager
    def watching(self, server: Server) -> Iterator[None]:
        """Samples until the block ends."""
        if server.process is None:
            raise RuntimeError("the server does not run")
        process, done, begun = (
            psutil.Process(server.process.pid),
            threading.Event(),
            time.monotonic(),
        )

        def sample() -> None:
            while not done.wait(SAMPLE_SECONDS):
                megabytes = process.memory_info().rss / 1024**2
                self.samples.append((time.monotonic() - begun, megabytes))

        thread = threading.Thread(target=sample, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def at(self, share: float) -> float:
        """MB when that share of the time had gone by."""
        index = min(len(self.samples) - 1, int(share * len(self.samples)))
        return self.samples[index][1] if self.samples else 0.0

    @property
    def most(self) -> float:
        return max((megabytes for _, megabytes in self.samples), default=0.0)


def main(products: int = PRODUCTS, folder: Path | None = None, home: Path | None = None) -> None:
    """folder: what `akin dataset wardrobe` wrote, else `products` are drawn; home: where the filled
    catalogue stays, else it goes with the measurement."""
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        source = folder or drawn(scratch, products)
        home = home or scratch / "home"
        home.parent.mkdir(parents=True, exist_ok=True)
        memory = Memory()
        with served(home) as server:
            with memory.watching(server):
                first = filled(server, source)
            again = filled(server, source)
            with AkinClient(server.url) as client:
                held = client.summary().products
                rows = [*_ingest_rows(client, held, first, again), *_memory_rows(memory)]
                rows += _call_rows(client)
                rows.append(("memory at the end", _resident(server), "MB"))
    write(
        "main_job",
        f"The main job at {held:,} products",
        Table(("what", "figure", "unit"), rows, CAPTION),
        command="main_job --folder DIR --home DIR" if folder else None,
    )


Row = tuple[str, float, str]


def _ingest_rows(client: AkinClient, held: int, first: float, again: float) -> list[Row]:
    jobs = [job.result for job in client.jobs(limit=200).items if job.kind == "embed"]
    embedded = [job for job in jobs if job.get("embedded")]
    busy = [float(str(job["encoder_busy"])) * int(str(job["embedded"])) for job in embedded]
    count = sum(int(str(job["embedded"])) for job in embedded)
    return [
        ("ingest, from the command to searchable", first, "s"),
        ("ingest, products a second", held / first, "1/s"),
        ("encoder busy, of the embed jobs' encoding time", 100 * sum(busy) / count, "%"),
        ("the same catalogue again", again, "s"),
        ("the same catalogue again, files a second", (held + 1) / again, "1/s"),
    ]


def _memory_rows(memory: Memory) -> list[Row]:
    return [
        ("memory after a tenth of the ingest", memory.at(0.1), "MB"),
        ("memory at half of it", memory.at(0.5), "MB"),
        ("memory at its end", memory.at(1.0), "MB"),
        ("memory, the most", memory.most, "MB"),
    ]


def _call_rows(client: AkinClient) -> list[Row]:
    some = client.products(limit=200).items
    sku = some[0].sku
    ask = {
        "search: words": SearchRequest(text="a red striped dress"),
        "search: product + words": SearchRequest(reference_sku=sku, text="but blue"),
        "search: product + words, filtered": SearchRequest(
            reference_sku=sku, text="but blue", filters=["category=dress", "price=10..60"]
        ),
        "search: with facets": SearchRequest(text="a hat", facets=True),
    }
    rows = [(name, _timed(partial(client.search, request)), "ms") for name, request in ask.items()]
    found = client.search(ask["search: words"])
    paging = SearchRequest(search_id=found.search_id, offset=24)
    cursor = client.products(limit=50, filters=["category=dress"]).next_cursor
    calls: dict[str, Callable[[], object]] = {
        "search: the next page": lambda: client.search(paging),
        "browse: a page": lambda: client.products(limit=50),
        "browse: a filtered page": lambda: client.products(limit=50, filters=["category=dress"]),
        "browse: the second page": lambda: client.products(
            limit=50, filters=["category=dress"], cursor=cursor
        ),
        "facets": lambda: client.facets(),
        "facets: filtered": lambda: client.facets(["category=dress"]),
        "summary": lambda: client.summary(),
    }
    rows += [(name, _timed(call), "ms") for name, call in calls.items()]
    return [*rows, *_change_rows(client, [product.id for product in some[:AT_ONCE]])]


def _change_rows(client: AkinClient, ids: list[str]) -> list[Row]:
    """The embed job that follows is waited for: only then does search know of the change."""
    rows = []
    edits = {
        f"edit {len(ids)} products, until search knows": BulkEdit(
            product_ids=ids, category="changed"
        ),
        f"delete {len(ids)} products, until search knows": BulkEdit(product_ids=ids, delete=True),
    }
    for name, edit in edits.items():
        begun = time.perf_counter()
        client.bulk_edit(edit)
        while any(client.jobs(state=state).items for state in ("queued", "running")):
            time.sleep(0.05)
        rows.append((name, time.perf_counter() - begun, "s"))
    return rows


def _timed(call: Callable[[], object]) -> float:
    """Median milliseconds."""
    taken = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - begun))
    return median(taken)


def _resident(server: Server) -> float:
    if server.process is None:
        raise RuntimeError("the server does not run")
    return float(psutil.Process(server.process.pid).memory_info().rss / 1024**2)
